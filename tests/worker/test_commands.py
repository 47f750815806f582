"""`lnh compose` says in a line what its folder is not good for, and names songs in any folder."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from scores import make_score

from model.band import Band
from model.errors import CannotWrite
from model.request import ComposeRequest
from model.score import Score
from worker.commands import compose_command

WISH = SimpleNamespace(title="Reel", genre="folk", tempo_bpm=120.0, randomness=0.3, remarks=())


class OneSong:
    """A band that plays one song."""

    def compose_all(self, requests: Sequence[ComposeRequest]) -> list[Score]:
        return [make_score(2, roles=("drums",)) for _ in requests]


def compose(folder: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setattr(Band, "load", lambda *_, **__: OneSong())
    return CliRunner().invoke(compose_command, ["--midi-only", "--out", folder, *arguments], obj=lambda _: WISH)


def test_a_folder_that_cannot_be_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch):
    result = compose("/proc/songs", monkeypatch)

    assert isinstance(result.exception, CannotWrite)
    assert "/proc/songs: no folder can be made here; name another place" in str(result.exception)


def test_a_song_lies_in_a_folder_whose_name_cannot_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9"))  # Latin-1, from an old disk

    result = compose(str(folder), monkeypatch, "--seed", "7")

    assert result.exit_code == 0, result.exception
    assert "folk-7.mid" in result.output
    assert (folder / "folk-7.mid").is_file()


def test_so_many_songs_that_their_list_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch):
    result = compose("songs", monkeypatch, "--count", "3000000000")

    assert result.exit_code == 2
    assert "1<=x<=10000" in result.output
