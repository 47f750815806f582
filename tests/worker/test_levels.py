import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import decibels, impulse, noise, rms_db, silence, sine

from worker.levels import (
    compress,
    gate_tails,
    limit,
    loudness,
    playing_level,
    ride,
    set_level,
    step_levels_db,
    true_peaks,
    turn_down,
)
from worker.perform import RATE

CEILING_DBTP = -1.0


def test_a_full_scale_tone_has_the_loudness_of_the_standard():
    assert loudness(sine(997, 5.0, 1.0)) == pytest.approx(0.0, abs=0.1)
    assert loudness(silence()) == -np.inf
    assert loudness(sine(997, 0.1)) < 0


@pytest.mark.parametrize("sound", [sine(997, 5.0), sine(60, 5.0), noise(5.0) * 0.1, noise(5.0, sides=1) * 0.1])
def test_the_quick_meter_agrees_with_the_standard_one(sound):
    assert playing_level(sound) == pytest.approx(loudness(np.broadcast_to(sound, (2, sound.shape[1]))), abs=0.3)


@pytest.mark.parametrize("sides", [1, 2])
def test_our_meter_reads_what_another_of_the_standard_reads(sides: int):
    tone = sum(sine(hertz, 3.0, 0.1) for hertz in (30, 110, 997, 3000, 12_000))
    swell = np.concatenate([tone * gain for gain in (1, 0.3, 0.003, 0)], axis=1) + noise(12.0) * 0.01
    sound = np.asarray(swell[:sides], np.float32)

    assert loudness(sound) == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(sound.T), abs=0.001)


def test_pauses_do_not_count():
    tone = sine(997, 5.0)

    assert playing_level(np.hstack([tone, silence(20.0), tone])) == pytest.approx(playing_level(tone), abs=0.3)
    assert playing_level(silence()) == -np.inf


def test_a_stem_is_set_to_a_level_and_silence_is_not():
    assert playing_level(set_level(noise(), -20.0)) == pytest.approx(-20.0, abs=0.01)
    assert not set_level(silence(), -20.0).any()


def test_a_ride_is_there_in_time_and_lets_go_slowly():
    wanted = np.zeros(3000, np.float32)
    wanted[1000] = 12

    curve = ride(wanted, 0.003, 50.0)

    assert curve[1000] == pytest.approx(12, abs=0.1)
    assert curve[:990].max() == 0
    assert 0 < curve[1100] < 12
    assert curve[1500:].max() == 0


def test_turning_down_by_nothing_changes_nothing():
    sound = noise(0.5)

    assert np.allclose(turn_down(sound, np.zeros(len(step_levels_db(sound)), np.float32)), sound)


def test_a_compressor_halves_what_is_above_its_threshold():
    loud, soft = sine(440, 2.0, 0.5), sine(440, 2.0, 0.01)

    squeezed = compress(np.hstack([soft, loud]), -30.0, 2.0, seconds=0.02, recovery_db_per_second=60)

    assert np.allclose(squeezed[:, :RATE], soft[:, :RATE], atol=1e-4)
    over = rms_db(loud) + 30
    assert rms_db(squeezed[:, 3 * RATE :]) == pytest.approx(-30 + over / 2, abs=0.5)
    assert not compress(silence(), -30.0, 2.0, seconds=0.02, recovery_db_per_second=60).any()


def kicks(gap_seconds, count=8):
    """Low tones that die away slowly, each after the click of a beater, as a kick's do."""
    seconds = np.arange(round(0.5 * RATE)) / RATE
    hit = (np.sin(2 * np.pi * 60 * seconds) * np.exp(-seconds * 8)).astype(np.float32)
    hit += (0.5 * np.sin(2 * np.pi * 3000 * seconds) * np.exp(-seconds * 400)).astype(np.float32)
    sound = silence(gap_seconds * count + 1, sides=1)
    for number in range(count):
        start = round((0.1 + number * gap_seconds) * RATE)
        sound[0, start : start + len(hit)] += hit
    return sound


def test_fast_kicks_are_cut_before_the_next_and_slow_ones_ring():
    fast, slow = kicks(0.1), kicks(0.5)

    cut = gate_tails(fast)

    before_next = slice(round(0.285 * RATE), round(0.295 * RATE))
    struck = slice(round(0.2 * RATE), round(0.235 * RATE))
    assert rms_db(cut[:, before_next]) < rms_db(fast[:, before_next]) - 12
    assert rms_db(cut[:, struck]) > rms_db(fast[:, struck]) - 1
    assert rms_db(gate_tails(slow) - slow) < rms_db(slow) - 40


def test_the_last_fast_kick_rings_out_and_silence_has_none():
    fast = kicks(0.1)

    assert np.allclose(gate_tails(fast)[:, round(0.85 * RATE) :], fast[:, round(0.85 * RATE) :], atol=1e-3)
    assert not gate_tails(silence()).any()


def test_peaks_between_the_samples_are_seen():
    wave = np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4).astype(np.float32)  # samples stay at 0.71 of the crest

    peaks = true_peaks(np.stack([wave, wave]))

    assert np.abs(wave).max() == pytest.approx(0.707, abs=0.01)
    assert np.median(peaks) == pytest.approx(1.0, abs=0.03)
    assert len(peaks) == len(step_levels_db(np.stack([wave, wave])))


def test_the_limiter_leaves_alone_what_is_low_enough():
    tone = sine(440, amplitude=0.1)

    assert np.allclose(limit(tone, true_peaks(tone), 6.0, CEILING_DBTP), tone * 10 ** (6 / 20), atol=1e-6)


def test_full_scale_noise_stays_under_the_ceiling():
    sound = noise()

    limited = limit(sound, true_peaks(sound), 12.0, CEILING_DBTP)

    assert decibels(true_peaks(limited).max()) <= CEILING_DBTP + 0.1
    assert decibels(true_peaks(limit(impulse(), true_peaks(impulse()), 20.0, CEILING_DBTP)).max()) <= CEILING_DBTP + 0.1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9_999), st.floats(-4, 4)), max_size=20), st.floats(-10, 40))
def test_nothing_gets_past_the_limiter(clicks, gain_db):
    sound = np.zeros((2, 10_000), np.float32)
    for frame, value in clicks:
        sound[:, frame] = value if abs(value) > 1e-30 else 0  # what cannot be halved in single precision is silence

    limited = limit(sound, true_peaks(sound), gain_db, CEILING_DBTP)

    assert np.isfinite(limited).all()
    assert np.abs(limited).max() <= 10 ** (CEILING_DBTP / 20) + 1e-4
    assert np.array_equal(limited == 0, sound == 0)
