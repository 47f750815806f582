import json
import time
import zlib

import pytest
from rq import Queue
from rq.executions import Execution
from rq.job import Job
from stub_studio import make_request

from worker.queue import (
    TAKEN_SECONDS,
    TriedJob,
    compose_id,
    deliver_id,
    jobs_by_state,
    open_queue,
    put_back_taken,
    put_due,
)  # fmt: skip
from worker.service import Service


def test_a_song_asked_for_twice_is_queued_once(queues):
    queues.ask(make_request("console-1"))

    queues.ask(make_request("console-1"))

    assert open_queue("compose", queues.redis).job_ids == ["console-1"]


def test_a_job_is_plain_json(queues):
    request = make_request("console-1")

    queues.ask(request)

    data = queues.redis.hget("rq:job:console-1", "data")
    assert b'"worker.jobs.compose"' in zlib.decompress(data)


@pytest.mark.parametrize("tries", [1, 3])
def test_nothing_is_called_because_a_job_says_so(queues, monkeypatch, tries):
    # RQ imports callbacks by their names, and sends web hooks, in the bot that holds the credentials.
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    called, done = [], []
    monkeypatch.setattr("rq.job.import_attribute", called.append)
    monkeypatch.setattr("rq.webhook.urlopen", lambda request, timeout: called.append(request))
    hooks = [{"url": "http://localhost:1/", "job_status": status} for status in ("finished", "failed")]
    callbacks = {f"{when}_callback_name": "os.getcwd" for when in ("success", "failure", "stopped")}

    def deliver(key, track):
        done.append(key)
        if tries > 1:
            raise ValueError("a string snapped")

    queues.hand_over("console-1", None)
    queues.redis.hset("rq:job:deliver-console-1", mapping={**callbacks, "webhooks": json.dumps(hooks)})
    Service("deliver", queues.redis, {"bot.deliver.deliver": deliver}).run(until_empty=True)

    assert done == ["console-1"] * tries
    assert called == []


def test_data_that_inflate_without_measure_are_given_up_unread(queues, monkeypatch):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    monkeypatch.setattr("worker.queue.MOST_BYTES", 1000)
    done = []
    for number in range(2):
        queues.hand_over(f"console-{number}", None)
    data = json.dumps(["bot.deliver.deliver", None, ["console-0", "a" * 1000], {}])
    queues.redis.hset("rq:job:deliver-console-0", "data", zlib.compress(data.encode()))

    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: done.append(key)}).run(until_empty=True)

    assert done == ["console-1"]
    assert queues.states(["deliver-console-0"]) == ["given up"]
    assert queues.why("deliver-console-0") == "rq.exceptions.DeserializationError"


def test_a_finished_job_leaves_its_id_free(queues):
    done = []
    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: done.append((key, track))}).run(
        until_empty=True
    )

    assert done == [("console-1", None)]
    assert queues.states([deliver_id("console-1")]) == ["absent"]


def test_a_job_that_fails_is_tried_three_times_in_all(queues, monkeypatch):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    tries = []

    def fail(key, track):
        tries.append(key)
        raise ValueError("the network\nspoke in tongues")

    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {"bot.deliver.deliver": fail}).run(until_empty=True)

    assert tries == ["console-1"] * 3
    assert queues.states([deliver_id("console-1")]) == ["given up"]
    assert queues.why(deliver_id("console-1")) == "spoke in tongues"


def test_a_job_whose_back_off_is_over_is_put_back_by_one_only(queues, monkeypatch):
    queue = open_queue("deliver", queues.redis)
    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {}).run(until_empty=True)  # fails, is to be tried again in 2 s
    registry = queue.scheduled_job_registry
    queues.redis.zadd(registry.key, {"deliver-console-1": 1})

    put_due(queue)
    put_due(queue)

    assert queue.job_ids == ["deliver-console-1"]


def test_a_job_that_is_tried_again_does_not_stand_in_line_again(queues):
    queue = open_queue("deliver", queues.redis)
    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {}).run(until_empty=True)  # fails, is to be tried again in 2 s
    queues.hand_over("console-2", None)
    queues.redis.zadd(queue.scheduled_job_registry.key, {"deliver-console-1": 1})

    put_due(queue)

    assert queue.job_ids == ["deliver-console-1", "deliver-console-2"]


def forgotten_try(queues, job_id):
    """What a worker that was killed leaves of its try when its heartbeat has run out."""
    with queues.redis.pipeline() as pipeline:
        job = Job.fetch(job_id, queues.redis, "json")
        execution = Execution.create(job, 20, pipeline)
        pipeline.zrem(job.started_job_registry.key, execution.composite_key)
        pipeline.delete(execution.key)
        pipeline.execute()


def test_a_job_that_was_tried_by_a_worker_since_killed_is_done_once(queues):
    done = []
    queues.hand_over("console-1", None)
    forgotten_try(queues, "deliver-console-1")

    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: done.append(key)}).run(until_empty=True)

    assert done == ["console-1"]
    assert queues.states(["deliver-console-1"]) == ["absent"]


def test_a_job_that_redis_forgot_while_it_was_in_hand_can_be_asked_for_again(queues):
    # Its worker wrote a heartbeat of it all the same, and nobody could read any job's state from then on.
    queues.hand_over("console-1", None)
    Service("deliver", queues.redis, {"bot.deliver.deliver": lambda key, track: queues.redis.flushdb()}).run(
        until_empty=True
    )
    left = queues.redis.keys("rq:job:*")
    queues.hand_over("console-2", None)

    states = queues.states([deliver_id("console-1"), deliver_id("console-2")])
    queues.hand_over("console-1", None)

    assert left == [b"rq:job:deliver-console-1"]
    assert states == ["absent", "under way"]
    assert open_queue("deliver", queues.redis).job_ids == ["deliver-console-2", "deliver-console-1"]


def test_a_given_up_job_that_a_worker_since_killed_tried_can_be_forgotten(queues, monkeypatch):
    # RQ failed to delete it, which ended the bot, and again at each of its starts.
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    queues.ask(make_request("console-1"))
    Service("compose", queues.redis, {}).run(until_empty=True)
    forgotten_try(queues, "console-1")

    queues.forget("console-1")

    assert queues.states(["console-1"]) == ["absent"]


def test_a_job_whose_worker_died_before_it_began_is_put_back_and_its_tries_kept(queues):
    # RQ gave it up after a minute as if it had failed, and its author got an apology.
    queues.hand_over("console-1", None)
    queue = open_queue("deliver", queues.redis)
    queue.lmove(queues.redis, queue.key, None)
    put_back_taken(queue)
    seen_once = queue.job_ids
    queues.redis.set(queue.intermediate_queue.get_first_seen_key("deliver-console-1"), time.time() - TAKEN_SECONDS - 1)

    put_back_taken(queue)

    assert (seen_once, queue.job_ids) == ([], ["deliver-console-1"])
    assert queue.intermediate_queue.get_job_ids() == []
    assert queue.fetch_job("deliver-console-1").retries_left == 2


@pytest.fixture
def moved_halfway(queues, monkeypatch):
    """A job that failed, and whose worker was killed when it had written that it is to be tried again, but not when."""

    def die(*_, **__):
        raise SystemExit

    queues.ask(make_request("console-1"))
    with monkeypatch.context() as killed, pytest.raises(SystemExit):
        killed.setattr(Queue, "schedule_job", die)
        Service("compose", queues.redis, {}).run(until_empty=True)
    assert queues.redis.hget("rq:job:console-1", "status") == b"scheduled"


@pytest.mark.usefixtures("moved_halfway")
def test_a_job_whose_worker_was_killed_as_it_moved_it_can_be_asked_for_again(queues):
    # It was under way for ever, in no list, and its author never got another song.
    queue = open_queue("compose", queues.redis)
    (in_hand,) = queues.redis.zrange(queue.started_job_registry.key, 0, -1)
    queues.redis.zadd(queue.started_job_registry.key, {in_hand: 1})
    Service("compose", queues.redis, {}).clean_registries()

    states = queues.states(["console-1"])
    queues.ask(make_request("console-1"))

    assert states == ["absent"]
    assert queue.job_ids == ["console-1"]
    assert queue.fetch_job("console-1").retries_left == 2


@pytest.mark.usefixtures("moved_halfway")
def test_a_job_that_its_worker_is_just_moving_is_under_way(queues):
    assert queues.states(["console-1"]) == ["under way"]


def test_a_job_is_under_way_wherever_it_waits(queues):
    queue = open_queue("deliver", queues.redis)
    for number in range(3):
        queues.hand_over(f"console-{number}", None)
    Service("deliver", queues.redis, {}).execute_job(*queue.dequeue_any([queue], None, queues.redis, TriedJob, "json"))
    queue.lmove(queues.redis, queue.key, None)

    assert queue.scheduled_job_registry.get_job_ids() == ["deliver-console-0"]
    assert queue.intermediate_queue.get_job_ids() == ["deliver-console-1"]
    assert queue.job_ids == ["deliver-console-2"]
    assert queues.states([deliver_id(f"console-{number}") for number in range(3)]) == ["under way"] * 3


def test_to_count_jobs_takes_none_for_dead(queues):
    # `lnh status` on a host whose clock was ahead took songs from the workers that played them.
    queues.hand_over("console-1", None)
    counts = []

    def deliver(key, track):
        registry = open_queue("deliver", queues.redis).started_job_registry
        (in_hand,) = queues.redis.zrange(registry.key, 0, -1)
        queues.redis.zadd(registry.key, {in_hand: 1})  # as it looks to a clock that is ahead
        counts.append(jobs_by_state("deliver", queues.redis))

    Service("deliver", queues.redis, {"bot.deliver.deliver": deliver}).run(until_empty=True)

    assert counts == [{"waiting": 0, "in hand": 1, "to be tried again": 0, "given up": 0}]


def test_a_given_up_job_can_be_forgotten(queues, monkeypatch):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    queues.ask(make_request("console-1"))
    Service("compose", queues.redis, {}).run(until_empty=True)

    queues.forget(compose_id("console-1"))

    assert queues.states([compose_id("console-1")]) == ["absent"]
