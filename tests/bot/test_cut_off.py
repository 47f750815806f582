"""A worker's host is cut off from Redis in the middle of a song: nothing is lost, and nothing is answered twice."""

import pytest
from processes import started, wait_until
from wire import wired

from bot.ledger import Ledger
from worker.queue import BACK_OFF_SECONDS, jobs_by_state
from worker.service import HEARTBEAT_SECONDS, HEARTBEAT_TTL_SECONDS

ASK = "@lnh_ai Dancing robots {} /compose"


@pytest.fixture
def wire(redis_url):
    with wired(redis_url) as wire:
        yield wire


@pytest.fixture
def places(redis_url, redis, tmp_path):
    """Where services find each other; a worker that is silent is missed after six seconds instead of twenty."""
    return {"REDIS_URL": redis_url, "LNH_DATA": tmp_path / "data", "LNH_STORE": tmp_path / "tracks", "HURRY": 2}


@pytest.fixture
def ledger(places, network):
    """That of a bot at work."""
    with started("stub_bot.py", network.folder, **places):
        ledger = Ledger(places["LNH_DATA"] / "ledger.sqlite")
        wait_until(lambda: ledger.bookmark("mastodon") is not None)
        yield ledger


def in_hand(redis):
    return jobs_by_state("compose", redis)["in hand"]


def open_jobs(redis):
    return [sum(jobs_by_state(queue, redis).values()) for queue in ("compose", "deliver-mastodon")]


def test_a_worker_that_comes_back_late_answers_nothing_twice(wire, places, network, ledger, redis):
    with started("stub_studio.py", 5, **{**places, "REDIS_URL": wire.redis_url}) as cut_off:
        first = network.post(ASK.format(1))
        wait_until(lambda: in_hand(redis))
        wire.cut()
        with started("stub_studio.py", 0, **places):
            wait_until(lambda: ledger.find(first).state == "posted")

        wire.mend()

        second = network.post(ASK.format(2))  # only the one that was cut off is left to play it
        wait_until(lambda: ledger.find(second) and ledger.find(second).state == "posted")
        wait_until(lambda: open_jobs(redis) == [0, 0])
        assert cut_off.poll() is None
    assert [reply["key"] for reply in network.replies] == [first, second]
    assert len(network.uploads) == 2


def test_two_workers_that_play_one_song_answer_it_once_and_both_call_it_done(wire, places, network, ledger, redis):
    with started("stub_studio.py", 12, **{**places, "REDIS_URL": wire.redis_url}) as cut_off:
        key = network.post(ASK.format(1))
        wait_until(lambda: in_hand(redis))
        wire.cut()
        wait_until(lambda: not redis.keys("rq:execution:*"))
        with started("stub_studio.py", 6, **places) as other:
            wait_until(lambda: redis.keys("rq:execution:*"))

            wire.mend()

            wait_until(lambda: ledger.find(key).state == "posted")
            wait_until(lambda: open_jobs(redis) == [0, 0])
            for worker in (cut_off, other):
                worker.terminate()
                _, errors = worker.communicate(timeout=60)
                assert worker.returncode == 0
                assert "Traceback" not in errors
    assert [reply["key"] for reply in network.replies] == [key]
    assert len(network.uploads) == 1


def test_a_song_of_a_worker_that_fell_silent_is_with_an_idle_one_within_a_minute():
    assert HEARTBEAT_TTL_SECONDS + HEARTBEAT_SECONDS + max(BACK_OFF_SECONDS) < 60
