import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import make_score

from model.genre import load_genres
from worker.mix import CEILING_DBTP, balance, end, high_pass, limit, master, measure_loudness, mix_down, true_peaks
from worker.perform import RATE
from worker.render import render

METAL = load_genres()["heavy-metal"]


def decibels(value: float) -> float:
    return 20 * np.log10(value)


def sine(hertz: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def noise(seconds: float = 2.0) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (round(seconds * RATE), 2)).astype(np.float32)


def test_a_song_comes_out_at_its_loudness_under_the_ceiling():
    mix = mix_down(render(make_score(bars=4), METAL, seed=1), METAL)

    assert measure_loudness(mix.sound) == pytest.approx(-14.0, abs=0.1)
    assert decibels(true_peaks(mix.sound).max()) <= CEILING_DBTP + 0.05
    assert np.isfinite(mix.sound).all()
    assert np.abs(mix.sound.mean(axis=0)).max() < 1e-4


def test_the_mix_holds_together_in_mono():
    sound = mix_down(render(make_score(bars=4), METAL, seed=1), METAL).sound

    mono = sound.mean(axis=1, keepdims=True).repeat(2, axis=1)

    assert np.corrcoef(sound.T)[0, 1] > 0.2
    assert measure_loudness(mono) > measure_loudness(sound) - 3


def test_silence_stays_silence():
    silence = np.zeros((RATE, 2), np.float32)

    assert not mix_down({"lead": silence}, METAL).sound.any()
    assert not mix_down({}, METAL).sound.any()


def test_full_scale_noise_is_tamed():
    mix = mix_down({"lead": noise()}, METAL)

    assert measure_loudness(mix.sound) == pytest.approx(-14.0, abs=0.3)
    assert decibels(true_peaks(mix.sound).max()) <= CEILING_DBTP + 0.05


def test_single_clicks_are_caught_though_they_are_far_too_high():
    sound = sine(220, 3.0, 0.02)
    sound[RATE :: RATE // 2] = 0.9

    mastered = master(sound, -14.0)

    assert decibels(true_peaks(mastered).max()) <= CEILING_DBTP + 0.1
    assert np.isfinite(mastered).all()


def test_a_player_in_the_middle_keeps_their_level_and_one_on_the_left_is_heard_there():
    tone = sine(440)
    lead = METAL.player("lead")

    left, right = np.abs(balance({"lead": tone}, METAL)).max(axis=0)

    assert lead.pan > 0
    assert right > left
    assert left**2 + right**2 == pytest.approx(2 * 0.25 * 10 ** (lead.gain_db / 10), rel=1e-3)


def test_direct_current_is_removed_and_music_is_not():
    offset = np.full((2 * RATE, 2), 0.3, np.float32)

    assert np.abs(high_pass(offset)[RATE:]).max() < 1e-3
    assert np.abs(high_pass(sine(110))[RATE // 2 :]).max() == pytest.approx(0.5, rel=0.02)


def test_silence_at_the_end_is_cut_and_the_ring_before_it_is_not():
    ring = sine(440, 2.0) * np.geomspace(1, 1e-3, 2 * RATE, dtype=np.float32)[:, None]
    sound = np.concatenate([ring, np.zeros((3 * RATE, 2), np.float32)])

    cut = end(sound)

    assert len(cut) / RATE == pytest.approx(2.2, abs=0.05)
    assert np.array_equal(cut[: RATE * 19 // 10], sound[: RATE * 19 // 10])
    assert abs(cut[-1]).max() == 0


def test_peaks_between_the_samples_are_seen():
    wave = np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4).astype(np.float32)  # samples stay at 0.71 of the crest

    peaks = true_peaks(np.stack([wave, wave], axis=1))

    assert np.abs(wave).max() == pytest.approx(0.707, abs=0.01)
    assert np.median(peaks) == pytest.approx(1.0, abs=0.03)


def test_the_limiter_leaves_alone_what_is_low_enough():
    tone = sine(440, amplitude=0.1)

    assert np.allclose(limit(tone, true_peaks(tone), 6.0), tone * 10 ** (6 / 20), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9_999), st.floats(-4, 4)), max_size=20), st.floats(-10, 40))
def test_nothing_gets_past_the_limiter(clicks, gain_db):
    sound = np.zeros((10_000, 2), np.float32)
    for frame, value in clicks:
        sound[frame] = value

    limited = limit(sound, true_peaks(sound), gain_db)

    assert np.isfinite(limited).all()
    assert np.abs(limited).max() <= 10 ** (CEILING_DBTP / 20) + 1e-4
    assert np.array_equal(limited == 0, sound == 0)
