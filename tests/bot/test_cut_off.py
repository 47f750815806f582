"""A worker's host is cut off from Redis in the middle of a song: nothing is lost, and nothing is answered twice."""

from contextlib import contextmanager

import pytest
from other_host import other_host
from processes import started, wait_until
from wire import wired

from bot.ledger import Ledger
from worker.connection import connect
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


@contextmanager
def bot_at_work(places, network):
    """Its ledger."""
    with started("stub_bot.py", network.folder, **places):
        ledger = Ledger(places["LNH_DATA"] / "ledger.sqlite")
        wait_until(lambda: ledger.bookmark("mastodon") is not None)
        yield ledger


@pytest.fixture
def ledger(places, network):
    with bot_at_work(places, network) as ledger:
        yield ledger


def in_hand(redis):
    return jobs_by_state("compose", redis)["in hand"]


def open_jobs(redis):
    return [sum(jobs_by_state(queue, redis).values()) for queue in ("compose", "deliver-mastodon")]


def answered(ledger, key):
    row = ledger.find(key)
    return row and row.state == "posted"


def lose_the_worker_in_the_middle_of_a_song(line, places, network, ledger, redis):
    """Key of the song, which another worker has played when the first is heard again."""
    key = network.post(ASK.format(1))
    wait_until(lambda: in_hand(redis))
    line.cut()
    with started("stub_studio.py", 0, **places):
        wait_until(lambda: answered(ledger, key))
    line.mend()
    return key


def test_a_worker_that_comes_back_late_answers_nothing_twice(wire, places, network, ledger, redis):
    with started("stub_studio.py", 5, **{**places, "REDIS_URL": wire.redis_url}) as cut_off:
        first = lose_the_worker_in_the_middle_of_a_song(wire, places, network, ledger, redis)

        second = network.post(ASK.format(2))  # only the one that was cut off is left to play it
        wait_until(lambda: answered(ledger, second))
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

            wait_until(lambda: answered(ledger, key))
            wait_until(lambda: open_jobs(redis) == [0, 0])
            for worker in (cut_off, other):
                worker.terminate()
                _, errors = worker.communicate(timeout=60)
                assert worker.returncode == 0
                assert "Traceback" not in errors
    assert [reply["key"] for reply in network.replies] == [key]
    assert len(network.uploads) == 1


def test_a_host_whose_cable_is_pulled_in_the_middle_of_a_song_and_then_while_it_waits_loses_nothing(places, network):
    with other_host() as host:
        here, there = {**places, "REDIS_URL": f"unix://{host.socket}"}, {**places, "REDIS_URL": host.redis_url}
        redis = connect(here["REDIS_URL"])
        with bot_at_work(here, network) as ledger, started("stub_studio.py", 5, on=host.far, **there) as far:
            first = lose_the_worker_in_the_middle_of_a_song(host, here, network, ledger, redis)
            second = network.post(ASK.format(2))
            wait_until(lambda: answered(ledger, second))

            host.cut()

            third = network.post(ASK.format(3))  # mostly Redis sends it to the one that cannot hear it
            wait_until(lambda: ledger.find(third))
            with started("stub_studio.py", 0, **here):
                wait_until(lambda: answered(ledger, third))
            host.mend()
            wait_until(lambda: open_jobs(redis) == [0, 0])
            assert far.poll() is None
    assert [reply["key"] for reply in network.replies] == [first, second, third]
    assert len(network.uploads) == 3


def test_a_song_of_a_worker_that_fell_silent_is_with_an_idle_one_within_a_minute():
    assert HEARTBEAT_TTL_SECONDS + HEARTBEAT_SECONDS + max(BACK_OFF_SECONDS) < 60
