import errno
import os
import subprocess
import sys

import pytest
from processes import TESTS

from model.errors import CannotWrite, writing
from worker.desk import PREFIX, at_desk

SITS_DOWN = """
import time
from worker.desk import at_desk
with at_desk() as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def grow_old(folder):
    os.utime(folder, (0, 0))


def somebody_at_a_desk(room):
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent), "TMPDIR": str(room)}
    process = subprocess.Popen([sys.executable, "-c", SITS_DOWN], env=environment, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_a_desk_is_gone_afterwards(tmp_path):
    with at_desk(tmp_path) as folder:
        (folder / "drums.flac").touch()

    assert list(tmp_path.iterdir()) == []


def test_a_desk_that_cannot_be_removed_is_left_without_a_word(tmp_path, monkeypatch):
    # A disk that turned read-only in the middle of a song was taken for a fault of the song.
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.raises(CannotWrite, match="read-only"), at_desk(tmp_path) as folder, writing(folder):
        (folder / "drums.flac").touch()
        monkeypatch.setattr(os, "unlink", refuse)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_holds_is_not(tmp_path):
    victim, left = somebody_at_a_desk(tmp_path)
    survivor, held = somebody_at_a_desk(tmp_path)
    victim.kill()
    victim.communicate()
    grow_old(left)
    grow_old(held)

    with at_desk(tmp_path) as folder:
        there = set(map(str, tmp_path.iterdir()))

    survivor.kill()
    survivor.communicate()
    assert there == {held, str(folder)}


def test_a_desk_that_somebody_is_just_sitting_down_at_is_left(tmp_path):
    fresh = tmp_path / f"{PREFIX}fresh"
    fresh.mkdir()

    with at_desk(tmp_path):
        pass

    assert fresh.is_dir()


def test_other_folders_are_left_alone_however_old(tmp_path):
    other = tmp_path / "songs"
    other.mkdir()
    grow_old(other)

    with at_desk(tmp_path):
        pass

    assert other.is_dir()
