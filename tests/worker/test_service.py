import os
import signal
import time
from contextlib import ExitStack, contextmanager
from threading import Thread
from types import SimpleNamespace

import pytest
from processes import wait_until
from redis.exceptions import ConnectionError as RedisGone
from rq import SimpleWorker
from rq.job import Job

from model.errors import NeedsOperator
from worker.queue import deliver_id, open_queue
from worker.service import LOOK_SECONDS, Service


def test_what_the_operator_must_mend_stops_the_service_and_keeps_the_job_and_its_tries(queues):
    def refuse(key, track):
        raise NeedsOperator("mastodon: the token is refused")

    queues.hand_over("console-1", None)
    with pytest.raises(NeedsOperator, match="the token is refused"):
        Service("deliver", queues.redis, {"bot.deliver.deliver": refuse}).run()

    assert queues.states([deliver_id("console-1")]) == ["under way"]
    assert Job.fetch(deliver_id("console-1"), queues.redis, "json").retries_left == 2


def snap_at(*keys, tries):
    """A handler that fails at some keys, and the keys that it was given."""

    def deliver(key, track):
        tries.append(key)
        if key in keys:
            raise ValueError("a string snapped")

    return {"bot.deliver.deliver": deliver}


def test_a_service_in_which_one_job_after_another_fails_ends_and_keeps_the_line(queues):
    # With a full /tmp a worker went through the whole line within minutes: an apology for everybody.
    keys, tries = [f"console-{number}" for number in range(5)], []
    for key in keys:
        queues.hand_over(key, None)

    with pytest.raises(NeedsOperator, match=r"3 jobs in a row failed, the last of ValueError\('a string snapped'\); "):
        Service("deliver", queues.redis, snap_at(*keys, tries=tries)).run(until_empty=True)

    assert tries == keys[:3]
    assert queues.states([deliver_id(key) for key in keys]) == ["under way"] * 5
    assert Job.fetch(deliver_id(keys[2]), queues.redis, "json").retries_left == 2


def test_a_service_goes_on_where_jobs_are_done_between_those_that_fail(queues):
    keys, tries = [f"console-{number}" for number in range(5)], []
    for key in keys:
        queues.hand_over(key, None)

    Service("deliver", queues.redis, snap_at(*keys[:2], *keys[3:], tries=tries)).run(until_empty=True)

    assert tries == keys


def test_a_heart_goes_on_beating_when_redis_holds_nonsense(queues, monkeypatch):
    monkeypatch.setattr("worker.service.HEARTBEAT_SECONDS", 1)
    beats = []

    def deliver(key, track):
        for _ in range(2):
            queues.redis.delete("rq:workers")
            wait_until(lambda: queues.redis.exists("rq:workers"))
            beats.append(key)

    queues.hand_over("console-1", None)
    queues.redis.zadd("rq:wip:deliver", {"console-9:try": 1})
    queues.redis.hset("rq:job:console-9", mapping={"data": "", "created_at": "nonsense", "status": "started"})
    Service("deliver", queues.redis, {"bot.deliver.deliver": deliver}).run(until_empty=True)

    assert beats == ["console-1", "console-1"]


def test_a_service_looks_again_at_a_hang_up_but_not_in_the_middle_of_a_job(queues):
    happened = []

    def deliver(key, track):
        os.kill(os.getpid(), signal.SIGHUP)
        happened.append(key)

    queues.hand_over("console-1", None)
    queues.hand_over("console-2", None)
    handlers = {"bot.deliver.deliver": deliver}
    Service("deliver", queues.redis, handlers, on_hang_up=lambda: happened.append("look")).run(until_empty=True)

    assert happened == ["console-1", "look", "console-2", "look"]


def test_a_service_outlives_a_redis_that_goes_away_between_two_jobs(queues, monkeypatch):
    done, real, troubles = [], SimpleWorker.heartbeat, [RedisGone("reset by peer")]

    def go_away(*arguments, **more):
        if done and troubles:
            raise troubles.pop()
        return real(*arguments, **more)

    monkeypatch.setattr(SimpleWorker, "heartbeat", go_away)
    for number in range(3):
        queues.hand_over(f"console-{number}", None)

    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: done.append(key)}).run(until_empty=True)

    assert done == ["console-0", "console-1", "console-2"]
    assert troubles == []


@contextmanager
def no_room_in(redis):
    """Redis takes nothing that needs memory."""
    redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


def test_a_service_waits_for_a_redis_without_room_and_goes_on_when_it_has(queues, caplog):
    # It ended, and said that the connection broke.
    done = []
    service = Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: done.append(key)})
    at_work = Thread(target=service.run)
    at_work.start()
    wait_until(lambda: queues.redis.scard("rq:workers") == 1)

    with no_room_in(queues.redis):
        wait_until(lambda: "refuses (command not allowed when used memory > 'maxmemory'" in caplog.text)
    queues.hand_over("console-1", None)

    wait_until(lambda: done == ["console-1"])
    service.stop()
    at_work.join()


def test_a_service_that_starts_while_redis_has_no_room_says_so(queues):
    with no_room_in(queues.redis), pytest.raises(NeedsOperator, match=r"Redis refuses to write \(.*; give it memory"):
        Service("deliver", queues.redis, {}).run()


def test_a_service_that_ends_while_redis_has_no_room_leaves_its_job_to_another(queues, caplog):
    queues.hand_over("console-1", None)
    with ExitStack() as until_the_end:

        def deliver(key, track):
            until_the_end.enter_context(no_room_in(queues.redis))
            service.stop()

        service = Service("deliver", queues.redis, {"bot.deliver.deliver": deliver})
        service.run()

    assert "could not sign off" in caplog.text
    assert queues.states(["deliver-console-1"]) == ["under way"]


def test_what_goes_wrong_between_two_jobs_is_what_a_service_ends_with(queues, monkeypatch):
    def fail(*_):
        raise ValueError("no such version")

    monkeypatch.setattr(Service, "get_redis_server_version", fail)
    queues.hand_over("console-1", None)

    with pytest.raises(ValueError, match="no such version"):
        Service("deliver", queues.redis, {}).run(until_empty=True)


def test_a_job_that_hears_no_deadline_takes_its_process_with_it(queues, monkeypatch):
    killed = []
    monkeypatch.setattr("worker.service.STUCK_SECONDS", 0)
    monkeypatch.setattr("worker.service.os.kill", lambda process, number: killed.append(number))

    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: wait_until(lambda: killed)}).run(
        until_empty=True
    )

    assert signal.SIGKILL in killed


@pytest.fixture
def clock(monkeypatch):
    """This host's clock, as worker and RQ read it: "ahead" in seconds, and how often it was read."""
    ours = {"ahead": 0.0, "read": 0}

    def read():
        ours["read"] += 1
        return time.time() + ours["ahead"]

    monkeypatch.setattr("worker.connection.time", SimpleNamespace(time=read))
    monkeypatch.setattr("rq.registry.current_timestamp", lambda: int(time.time() + ours["ahead"]))
    return ours


@pytest.mark.parametrize(("ahead", "told"), [(30, "30 s ahead of"), (-30, "30 s behind")])
def test_a_service_on_a_host_whose_clock_is_wrong_does_not_start(queues, clock, ahead, told):
    queues.hand_over("console-1", None)
    clock["ahead"] = ahead

    with pytest.raises(NeedsOperator, match=f"this clock is {told} Redis'; set both right, by NTP"):
        Service("deliver", queues.redis, {}).run(until_empty=True)

    assert open_queue("deliver", queues.redis).job_ids == ["deliver-console-1"]


def test_a_service_whose_clock_goes_wrong_takes_no_living_worker_for_dead(queues, clock, monkeypatch, caplog):
    # The song of a worker on another host was taken from it three times, and became an apology while it was played.
    monkeypatch.setattr("worker.service.HEARTBEAT_SECONDS", 1)
    queue = open_queue("deliver", queues.redis)
    for number in range(2):
        queues.hand_over(f"console-{number}", None)
    queues.redis.lrem(queue.key, 1, "deliver-console-0")  # another has it in hand
    queues.redis.hset("rq:job:deliver-console-0", "status", "started")
    queues.redis.zadd(queue.started_job_registry.key, {"deliver-console-0:try": time.time() + 25})
    in_hand = []

    def deliver(key, track):
        clock["ahead"], enough = 30.0, clock["read"] + 6
        wait_until(lambda: clock["read"] > enough)
        in_hand.append(queue.started_job_registry.get_job_ids(cleanup=False))
        clock["ahead"] = 0.0
        queues.redis.zadd(queue.started_job_registry.key, {"deliver-console-0:try": 1})  # now it is dead
        wait_until(lambda: queue.started_job_registry.get_job_ids(cleanup=False) == ["deliver-console-1"])

    Service("deliver", queues.redis, {"bot.deliver.deliver": deliver}).run(until_empty=True)

    assert sorted(in_hand[0]) == ["deliver-console-0", "deliver-console-1"]
    assert queues.states(["deliver-console-0"]) == ["under way"]
    assert caplog.text.count("this clock is 30 s ahead of Redis'") == 1


def test_a_worker_killed_while_it_looks_for_dead_ones_keeps_nobody_from_looking_for_long(queues, monkeypatch):
    # RQ's lock held for 15 minutes, in which no dead worker's song was taken up.
    held = []
    queue = open_queue("deliver", queues.redis)
    monkeypatch.setattr(
        "worker.service.clean_registries", lambda *_: held.append(queues.redis.ttl(queue.registry_cleaning_key))
    )

    Service("deliver", queues.redis, {}).clean_registries()

    assert 0 < held[0] <= LOOK_SECONDS
    assert not queues.redis.exists(queue.registry_cleaning_key)
