"""A critic is trained on what the band plays, and its gain is measured on songs that it has not seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.progress import Progress
from scores import make_score, vary
from small_composer import small_composer

from model.band import Band
from model.commands import critic_command
from model.corpus import is_held_out
from model.critic import Critic, critic_path
from model.genre import Genre
from model.midi import write_midi
from model.originality import build_index
from model.reference import NoSongs, Reading, Song
from model.rehearsal import measure, read_real, rehearse
from model.score import Score
from model.weights import save_weights

QUIET = Progress(disable=True)


@pytest.fixture(scope="module")
def band(genre: Genre) -> Band:
    return Band(genre=genre, network=small_composer(), known_songs=None)


@pytest.fixture(scope="module")
def folder(genre: Genre, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    rng = np.random.default_rng(1)
    names = [f"name-{i}" for i in range(300)]
    held_out, learned = [[name for name in names if is_held_out(name) == wanted] for wanted in (True, False)]
    for name in held_out[:12] + learned[:24]:
        write_midi(vary(make_score(bars=6), rng, 12), genre, folder / f"{name}.mid")
    return folder


def songs(count: int, seed: int, highest: int) -> tuple[Score, ...]:
    rng = np.random.default_rng(seed)
    return tuple(vary(make_score(bars=6), rng, highest) for _ in range(count))


def test_the_band_rehearses_songs_of_its_own_seeds(band: Band):
    one, again, other = (
        rehearse(band, songs=3, bars=2, first_seed=seed, progress=QUIET) for seed in (1, 1, 1000)
    )

    assert len(one.songs) == 3
    assert one == again
    assert not set(map(repr, one.songs)) & set(map(repr, other.songs))


def test_what_is_dropped_is_counted(band: Band):
    played = rehearse(band, songs=16, bars=4, first_seed=1, progress=QUIET)
    known = replace(build_index(played.songs[:4]), limit=0)

    again = rehearse(replace(band, known_songs=known), songs=12, bars=4, first_seed=1, progress=QUIET)

    assert again.copied >= sum(known.longest_run(song) > 0 for song in played.songs[:4]) > 0
    assert again.played == len(again.songs) + again.copied + again.silent


def test_real_songs_are_read_apart(folder: Path, band: Band):
    real = read_real(folder, Reading(roles=band.roles, bars=4, progress=QUIET, unreadable=[]))

    assert [song.held_out for song in real].count(True) == 12
    assert len(real) == 36
    assert {len(song.score.time_signatures) for song in real} == {4}


def test_too_few_real_songs_are_refused(folder: Path, band: Band, tmp_path: Path):
    (path, *_) = folder.glob("*.mid")
    (tmp_path / "one.mid").write_bytes(path.read_bytes())

    with pytest.raises(NoSongs, match="put at least 20 there"):
        read_real(tmp_path, Reading(roles=band.roles, bars=4, progress=QUIET, unreadable=[]))


def test_picking_of_many_comes_closer_to_real_songs(monkeypatch: pytest.MonkeyPatch):
    """Half of the band's songs are like real ones, and the critic knows which."""
    monkeypatch.setattr("model.rehearsal.SHUFFLES", 1)
    real = [
        Song(score=score, through_tokens=score, group=number, held_out=number >= 24)
        for number, score in enumerate(songs(36, 1, 12))
    ]
    ours = (*songs(96, 3, 12), *songs(96, 4, 3))

    gains = measure(real, ours, np.repeat([3.0, -3.0], 96))

    assert [gain.takes for gain in gains] == [1, 2, 4, 8, 16]
    assert {gain.songs for gain in gains} == {12}
    assert gains[0].told_apart.value > gains[-1].told_apart.value + 0.1
    assert gains[0].overlap.value < gains[-1].overlap.value


def test_the_command_writes_a_critic_and_says_what_was_dropped(
    band: Band, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)
    weights = tmp_path / f"{band.genre.weights}.safetensors"
    save_weights(weights, band.network, {})

    result = CliRunner().invoke(
        critic_command, [band.genre.name, "--midi", str(folder), "--songs", "20", "--bars", "4"]
    )

    assert result.exit_code == 0, result.output
    assert "were dropped" in result.output
    critic = Critic.load(critic_path(weights))
    assert critic.provenance["real_songs"] == 24
    assert critic.provenance["songs"] == 20
