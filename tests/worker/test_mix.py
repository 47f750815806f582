from dataclasses import replace

import numpy as np
import pytest
from scores import make_score
from signals import decibels, noise, rms_db, silence, sine

from model.genre import load_genres
from worker.channels import channels_of
from worker.levels import loudness, playing_level, true_peaks
from worker.master import CEILING_DBTP
from worker.mix import (
    DRUMS_LUFS,
    blend,
    kit_gain_db,
    mix_down,
    narrow,
    place,
    put_through,
    separate,
    set_fader,
    squeeze,
)
from worker.perform import RATE
from worker.render import render

METAL = load_genres()["heavy-metal"]


@pytest.fixture(scope="module")
def stems():
    return render(make_score(bars=4), METAL, seed=1)


def test_a_song_comes_out_at_its_loudness_under_the_ceiling_and_in_stereo(stems):
    sound = mix_down([{**stems}], METAL).sound

    assert sound.dtype == np.float32
    assert loudness(sound.T) == pytest.approx(-14.0, abs=0.1)
    assert decibels(true_peaks(sound.T).max()) <= CEILING_DBTP + 0.05
    assert np.isfinite(sound).all()
    assert np.abs(sound.mean(axis=0)).max() < 1e-4
    assert 0.2 < np.corrcoef(sound.T)[0, 1] < 0.95


def test_no_player_is_lost_in_mono(stems):
    for stem in separate(stems, METAL).values():
        mono = stem.mean(axis=0, keepdims=True).repeat(2, axis=0)
        assert loudness(mono) > loudness(stem) - 3.5


def test_the_stems_are_the_mix(stems):
    whole = blend(stems, METAL)

    together = sum(separate(stems, METAL).values())

    assert rms_db(together - whole) < rms_db(whole) - 60


def test_every_player_is_heard_at_the_level_of_their_role(stems):
    for name, channel in channels_of(METAL.player("bass")).items():
        heard = put_through(stems[name], channel)
        assert playing_level(heard) == pytest.approx(DRUMS_LUFS + channel.level_lu, abs=0.1)


def test_silence_stays_silence():
    assert not mix_down([{"lead": silence(sides=1)}], METAL).sound.any()
    assert not mix_down([], METAL).sound.any()


def test_full_scale_noise_is_tamed():
    mix = mix_down([{"lead": noise(5.0, sides=1), "snare": noise(5.0, sides=1)}], METAL)

    assert loudness(mix.sound.T) == pytest.approx(-14.0, abs=0.3)
    assert decibels(true_peaks(mix.sound.T).max()) <= CEILING_DBTP + 0.05


def test_a_player_in_the_middle_keeps_their_level_and_one_on_the_left_is_heard_there():
    tone = sine(440, sides=1)

    assert np.allclose(place(tone, 0.0), tone.repeat(2, axis=0), atol=1e-6)
    left, right = np.abs(place(tone, -0.5)).max(axis=1)
    assert left > right
    assert left**2 + right**2 == pytest.approx(2 * 0.25, rel=1e-3)


def test_two_takes_stand_far_left_and_right():
    left, right = place(np.vstack([sine(440, sides=1), sine(660, sides=1)]), 0.0, doubled=True)

    assert rms_db(left - sine(440, sides=1)) < -20
    assert rms_db(right - sine(660, sides=1)) < -20


def test_a_squeezed_stem_is_more_even():
    notes = np.hstack([sine(300, 1.0, level, sides=1) for level in (0.05, 0.5, 0.05, 0.5)])

    even = squeeze(notes, 4.0)

    assert squeeze(notes, 1.0) is notes
    steps = slice(RATE // 2, RATE), slice(3 * RATE // 2, 2 * RATE)
    before, after = (rms_db(s[:, steps[1]]) - rms_db(s[:, steps[0]]) for s in (notes, even))
    assert after < before - 2


def test_a_kit_is_brought_to_its_level():
    loud, soft = sine(997, 2.0, 0.1, sides=1), sine(997, 2.0, 0.01)

    gain = np.float32(10 ** (kit_gain_db([loud, soft]) / 20))

    assert playing_level(gain * (loud + soft)) == pytest.approx(DRUMS_LUFS, abs=0.1)
    assert kit_gain_db([]) == kit_gain_db([silence()]) == 0


@pytest.mark.parametrize(("recorded_db", "heard_lu"), [(0, 0), (5, 1.5), (-5, -1.5), (-30, -24)])
def test_a_piece_of_a_kit_is_drawn_towards_its_level_by_a_few_decibels(recorded_db, heard_lu):
    piece = set_fader(sine(200, sides=1), 0.0) * np.float32(10 ** (recorded_db / 20))

    heard = set_fader(piece, 0.0, kit_db=0.0)

    assert playing_level(heard) == pytest.approx(DRUMS_LUFS + heard_lu, abs=0.1)
    assert not set_fader(silence(), 0.0, kit_db=0.0).any()


def test_a_drummer_is_turned_up_and_down_as_a_whole(stems):
    drummer = METAL.player("drums")
    louder = replace(METAL, players=(replace(drummer, gain_db=3.0),))

    usual, turned_up = (separate(stems, genre) for genre in (replace(METAL, players=(drummer,)), louder))

    assert [rms_db(turned_up[name]) - rms_db(usual[name]) for name in usual] == pytest.approx([3.0] * 3, abs=0.01)


def test_a_part_is_brought_to_its_level_however_it_was_recorded():
    loud, soft = sine(200, amplitude=0.1, sides=1), sine(200, amplitude=0.01, sides=1)

    assert rms_db(set_fader(loud, -3.0)) == pytest.approx(rms_db(set_fader(soft, -3.0)), abs=0.01)
    assert playing_level(set_fader(loud, -3.0)) == pytest.approx(DRUMS_LUFS - 3.0, abs=0.01)


def test_what_is_too_wide_for_mono_is_narrowed_and_the_rest_is_left():
    hollow, wide = noise(2.0), sine(440) + 0.1 * noise(1.0)

    assert np.corrcoef(hollow)[0, 1] < 0.05
    assert np.corrcoef(narrow(hollow))[0, 1] == pytest.approx(0.48, abs=0.02)
    assert narrow(wide) is wide
    assert not narrow(silence()).any()
