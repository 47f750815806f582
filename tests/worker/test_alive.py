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
