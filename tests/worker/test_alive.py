import socket

from worker.alive import heartbeat
from worker.service import Service


def test_a_host_is_alive_while_a_service_runs_on_it_and_no_longer(queues, redis_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis_url)
    alive = []

    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: alive.append(heartbeat())}).run(
        until_empty=True
    )

    assert alive == [True]
    assert not heartbeat()


def test_another_host_whose_name_begins_the_same_is_not_this_one(redis, redis_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis_url)

    redis.hset(f"rq:worker:{socket.gethostname()}-2-4711-abc123", "state", "idle")

    assert not heartbeat()
