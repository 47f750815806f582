import errno
import os
import signal
import tempfile
import time
from dataclasses import replace

import pytest
from processes import started, wait_until
from stub_studio import make_request, stub_service

from model.errors import CannotWrite
from worker.queue import open_queue


def at_work(redis_url, store, seconds):
    """`lnh work` with a stub band, as a process of its own."""
    return started("stub_studio.py", seconds, REDIS_URL=redis_url, LNH_STORE=store)


def delivered(queues):
    return sorted(open_queue("deliver", queues.redis).job_ids)


def test_a_request_becomes_a_track_in_the_store_and_a_deliver_job(queues, redis_url, tmp_path):
    queues.ask(make_request("console-1"))

    stub_service(redis_url, str(tmp_path / "tracks"), 0).run(until_empty=True)

    names = sorted(file.name for file in (tmp_path / "tracks").iterdir())
    assert names == ["console-1.mid", "console-1.mp3", "console-1.mp4", "console-1.png"]
    assert delivered(queues) == ["deliver-console-1"]


def test_a_track_goes_to_the_deliver_queue_of_whoever_asked(queues, redis_url, tmp_path):
    replace(queues, deliver="deliver-here").ask(make_request("console-1"))

    stub_service(redis_url, str(tmp_path), 0).run(until_empty=True)

    assert open_queue("deliver-here", queues.redis).job_ids == ["deliver-console-1"]
    assert delivered(queues) == []


def test_a_song_that_fails_leaves_nothing_in_the_store(queues, redis_url, tmp_path, monkeypatch):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    queues.ask(make_request("console-1", title="break"))

    stub_service(redis_url, str(tmp_path / "tracks"), 0).run(until_empty=True)

    assert not (tmp_path / "tracks").exists()
    assert queues.states(["console-1"]) == ["given up"]
    assert queues.why("console-1") == "ValueError: a string snapped"


def test_two_workers_share_ten_posts(queues, redis_url, tmp_path):
    keys = [f"console-{number}" for number in range(10)]
    with at_work(redis_url, tmp_path, 0.2) as one, at_work(redis_url, tmp_path, 0.2) as two:
        wait_until(lambda: queues.redis.scard("rq:workers") == 2)

        for key in keys:
            queues.ask(make_request(key))

        wait_until(lambda: len(delivered(queues)) == 10)
    makers = [(tmp_path / f"{key}.mp3").read_text().split()[-1] for key in keys]
    assert set(makers) == {str(one.pid), str(two.pid)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_stop_finishes_the_song_in_hand(queues, redis_url, tmp_path, number):
    with at_work(redis_url, tmp_path, 1.5) as worker:
        queues.ask(make_request("console-1"))
        queues.ask(make_request("console-2"))
        wait_until(lambda: open_queue("compose", queues.redis).started_job_registry.count == 1)

        worker.send_signal(number)

        assert worker.wait(20) == 0
    assert delivered(queues) == ["deliver-console-1"]
    assert open_queue("compose", queues.redis).job_ids == ["console-2"]


def test_a_full_disk_stops_the_worker_with_one_line_and_keeps_the_song(queues, redis_url, tmp_path):
    queues.ask(make_request("console-1", title="flood"))

    with at_work(redis_url, tmp_path, 0) as worker:
        _, errors = worker.communicate(timeout=30)

    assert worker.returncode == 1
    assert errors.splitlines()[-1] == "lnh: tracks: the disk is full; make room"
    assert "Traceback" not in errors
    assert queues.states(["console-1"]) == ["under way"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_worker_that_cannot_lay_out_a_song_ends_and_keeps_it(queues, redis_url, tmp_path, monkeypatch, number):
    # It took it for a fault of the song, and after three tries for the next one's.
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    queues.ask(make_request("console-1"))

    with pytest.raises(CannotWrite, match=r"no space left|quota|read-only"):
        stub_service(redis_url, str(tmp_path), 0).run(until_empty=True)

    assert queues.states(["console-1"]) == ["under way"]
    assert open_queue("compose", queues.redis).fetch_job("console-1").retries_left == 2


def test_a_worker_whose_folder_for_temporary_files_has_gone_ends_and_keeps_the_song(
    queues, redis_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    queues.ask(make_request("console-1"))

    with pytest.raises(CannotWrite, match=r"no place for temporary files \(.*gone.*\); make room"):
        stub_service(redis_url, str(tmp_path), 0).run(until_empty=True)

    assert queues.states(["console-1"]) == ["under way"]


def test_a_worker_told_twice_puts_the_song_back(queues, redis_url, tmp_path):
    with at_work(redis_url, tmp_path, 60) as worker:
        queues.ask(make_request("console-1"))
        wait_until(lambda: open_queue("compose", queues.redis).started_job_registry.count == 1)

        worker.terminate()
        time.sleep(0.5)  # a process sees two equal signals sent at once as one
        worker.terminate()

        assert worker.wait(20) == 0
    assert queues.states(["console-1"]) == ["under way"]
    assert open_queue("compose", queues.redis).scheduled_job_registry.get_job_ids() == ["console-1"]


def test_the_song_of_a_worker_killed_with_9_is_played_by_another_within_a_minute(queues, redis_url, tmp_path):
    with at_work(redis_url, tmp_path, 300) as victim:
        queues.ask(make_request("console-1"))
        wait_until(lambda: open_queue("compose", queues.redis).started_job_registry.count == 1)
        time.sleep(6)  # past its first heartbeat

        with at_work(redis_url, tmp_path, 0.1) as heir:
            victim.kill()

            wait_until(lambda: delivered(queues) == ["deliver-console-1"], seconds=60)
            assert (tmp_path / "console-1.mp3").read_text().split()[-1] == str(heir.pid)


def test_a_worker_in_the_middle_of_a_song_puts_the_song_of_one_killed_back_at_the_head_of_the_line(
    queues, redis_url, tmp_path
):
    # It was noticed between two songs alone, so that it might not be queued for a quarter of an hour.
    compose = open_queue("compose", queues.redis)
    with at_work(redis_url, tmp_path, 300) as victim:
        queues.ask(make_request("console-1"))
        wait_until(lambda: compose.started_job_registry.count == 1)
        with at_work(redis_url, tmp_path, 300) as busy:
            for number in (2, 3):
                queues.ask(make_request(f"console-{number}"))
            wait_until(lambda: compose.started_job_registry.count == 2)

            victim.kill()

            wait_until(lambda: compose.job_ids == ["console-1", "console-3"], seconds=60)
            assert busy.poll() is None
            assert queues.redis.hget("rq:job:console-2", "status") == b"started"


@pytest.mark.parametrize(
    ("request_json", "deliver_queue"),
    [
        ("{}", "deliver"),
        (make_request("console-1").to_json(), "compose"),
        (make_request("console-1").to_json(), "deliver:*"),
        (make_request("console-1").to_json(), 5),
        (make_request("console-1").to_json().replace("console-1", "../../etc"), "deliver"),
        (make_request("console-1").to_json().replace("Dancing", "\\u0000"), "deliver"),
        (make_request("console-1").to_json().replace("Dancing", "\\ud800"), "deliver"),
        (" " * 70_000, "deliver"),
        ("[" * 60_000, "deliver"),
        ({"key": "console-1"}, "deliver"),
    ],
)
def test_a_job_that_is_not_ours_plays_nothing(queues, redis_url, tmp_path, monkeypatch, request_json, deliver_queue):  # noqa: PLR0917
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    queues._enqueue("compose", "worker.jobs.compose", "console-1", [request_json, deliver_queue])

    stub_service(redis_url, str(tmp_path / "tracks"), 0).run(until_empty=True)

    assert not (tmp_path / "tracks").exists()
    assert delivered(queues) == []
    assert queues.why("console-1").startswith("ValueError: compose ")
