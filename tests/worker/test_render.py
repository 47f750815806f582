import errno
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scores import empty_score, make_score, one_note_score

from model.genre import load_genres
from model.score import Note, Part, Score
from worker import render as studio
from worker.perform import LEAD_SECONDS, RATE, RING_SECONDS
from worker.render import MissingFluidSynth, MissingSoundfont, RenderFailed, find_soundfont, piece_of, render

METAL = load_genres()["heavy-metal"]


def level(sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def test_every_player_becomes_a_stem_of_the_same_length():
    score = make_score(bars=2)

    stems = render(score, METAL, seed=1)

    shapes = {name: len(stem) for name, stem in stems.items()}
    assert shapes == {"kick": 1, "snare": 1, "cymbals": 2, "rhythm": 2, "bass": 1, "lead": 1}
    assert len({stem.shape[1] for stem in stems.values()}) == 1
    for stem in stems.values():
        assert stem.dtype == np.float32
        assert np.isfinite(stem).all()
        assert 0.001 < np.abs(stem).max() < 1


def test_the_same_seed_sounds_the_same_to_the_last_bit():
    score = make_score(bars=2)

    first, second = render(score, METAL, seed=5), render(score, METAL, seed=5)

    assert all(np.array_equal(first[role], second[role]) for role in first)


def test_a_stem_is_one_player_alone():
    together = render(make_score(bars=1), METAL, seed=1)

    alone = render(make_score(bars=1, roles=["bass"]), METAL, seed=1)

    assert level(together["bass"][:, :RATE] - alone["bass"][:, :RATE]) < 0.01 * level(alone["bass"])


def test_two_takes_stand_left_and_right_and_are_no_copies():
    stem = render(make_score(bars=2, roles=["rhythm"]), METAL, seed=1)["rhythm"]

    left, right = stem

    assert level(left) == pytest.approx(level(right), rel=0.2)
    assert np.corrcoef(left, right)[0, 1] < 0.9


def test_a_note_sounds_when_it_is_written():
    notes = tuple(Note(start=beat * 12, pitch=64, duration=6, velocity=110) for beat in range(4))
    score = Score(tempo_bpm=60.0, time_signatures=((4, 4),), parts=(Part(role="keys", notes=notes),))
    players = (replace(METAL.players[0], role="keys", program=13),)  # a xylophone begins at once

    stem = np.abs(render(score, replace(METAL, players=players), seed=1)["keys"]).max(axis=0)

    for beat in range(4):
        expected = round((LEAD_SECONDS + beat) * RATE)
        before, after = stem[expected - 1000 : expected - 500], stem[expected : expected + 1000]
        assert after.max() > 10 * before.max()


def test_the_song_begins_soon_and_rings_out():
    stems = render(make_score(bars=2, opening_rest_bars=1), METAL, seed=1)

    total = sum(stem.mean(axis=0) for stem in stems.values())

    assert np.abs(total[: round(0.3 * RATE)]).max() > 0.01
    assert level(total[-round(RING_SECONDS * RATE) :][: RATE // 10]) > 1e-4


def test_a_score_without_notes_has_no_stems():
    assert render(empty_score(), METAL) == {}


def test_drums_are_played_by_a_kit():
    kick = render(one_note_score("drums", 36), METAL, seed=1)["kick"]
    hat = render(one_note_score("drums", 42), METAL, seed=1)["cymbals"]

    def treble_share(sound):
        spectrum = np.abs(np.fft.rfft(sound[:, :RATE].mean(axis=0))) ** 2
        return spectrum[4000:].sum() / spectrum.sum()

    assert treble_share(kick) < 0.1
    assert treble_share(hat) > 0.5


def test_a_missing_soundfont_is_named():
    with pytest.raises(MissingSoundfont, match=r"nobody\.sf2: no such soundfont; put it there"):
        find_soundfont("nobody.sf2")


def test_a_soundfont_that_is_not_ours_to_read_is_named(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "private.sf3").touch()
    monkeypatch.setattr(Path, "open", refuse)  # root may read everything

    with pytest.raises(MissingSoundfont, match=r"private\.sf3: cannot be read \(Permission denied\); mend its rights"):
        find_soundfont(str(tmp_path / "private.sf3"))


@pytest.mark.parametrize("damage", [b"", b"<!DOCTYPE html>", b"RIFF\x08\x00\x00\x00sfbk\x00\x00\x00\x00"])
def test_a_damaged_soundfont_is_named(tmp_path, damage):
    path = tmp_path / "damaged.sf2"
    path.write_bytes(damage)
    genre = replace(METAL, sound=replace(METAL.sound, soundfont=str(path)))

    with pytest.raises(MissingSoundfont, match=r"damaged\.sf2"):
        render(one_note_score(), genre)


def test_a_soundfont_that_was_cut_short_is_named(tmp_path):
    path = tmp_path / "half.sf3"
    path.write_bytes(find_soundfont(METAL.sound.soundfont).read_bytes()[:1_000_000])

    with pytest.raises(MissingSoundfont, match=r"half\.sf3: not a whole soundfont"):
        find_soundfont(str(path))


def test_an_instrument_that_the_soundfont_lacks_is_named():
    drummer = replace(METAL.player("drums"), program=99)
    genre = replace(METAL, players=(drummer,))

    with pytest.raises(MissingSoundfont, match="has no drum kit 99 for 'drums'"):
        render(one_note_score("drums", 36), genre)


def test_without_the_library_the_package_to_install_is_named(monkeypatch):
    studio._library.cache_clear()
    monkeypatch.setitem(sys.modules, "fluidsynth", None)

    with pytest.raises(MissingFluidSynth, match="apt install libfluidsynth3"):
        render(one_note_score(), METAL)

    studio._library.cache_clear()


def test_a_render_that_takes_for_ever_is_given_up(monkeypatch):
    monkeypatch.setattr(studio, "SECONDS_ALLOWED", -1)

    with pytest.raises(RenderFailed, match="the machine is too busy"):
        render(one_note_score(), METAL)


def test_a_soundfont_whose_samples_are_damaged_is_named(tmp_path):
    whole = bytearray(find_soundfont(METAL.sound.soundfont).read_bytes())
    samples = whole.index(b"smpl") + 8
    whole[samples + 1_000_000 : samples + 38_000_000] = bytes(37_000_000)
    path = tmp_path / "rotten.sf3"
    path.write_bytes(whole)
    genre = replace(METAL, sound=replace(METAL.sound, soundfont=str(path)))

    with pytest.raises(MissingSoundfont, match=r"rotten\.sf3"):
        render(make_score(bars=1), genre)


@pytest.mark.parametrize(
    ("key", "piece"), [(36, "kick"), (38, "snare"), (39, "snare"), (45, "toms"), (42, "cymbals"), (56, "cymbals")]
)
def test_every_key_of_the_kit_belongs_to_a_piece(key, piece):
    assert piece_of(key) == piece
