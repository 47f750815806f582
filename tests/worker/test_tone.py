import numpy as np
import pytest
from scipy import fft, signal
from signals import impulse, noise, rms_db, silence, sine, strength_db

from worker.perform import RATE
from worker.tone import butterworth, convolve, high_pass, impulse_response, join, shape, spectrum_db

CURVE = ((100.0, -12.0), (400.0, 0.0), (2000.0, 6.0), (8000.0, -20.0))


@pytest.mark.parametrize(("hertz", "decibels"), [(100, -12), (200, -6), (400, 0), (2000, 6), (4000, -7), (12000, -20)])
def test_a_filter_follows_its_points(hertz, decibels):
    tone = sine(hertz, 2.0)

    shaped = shape(tone, CURVE)

    assert strength_db(shaped[:, RATE:], hertz) - strength_db(tone[:, RATE:], hertz) == pytest.approx(decibels, abs=0.5)


def test_a_filter_answers_at_once_and_not_before():
    answer = shape(impulse(at=0.25), CURVE)[0]

    struck = RATE // 4
    assert np.abs(answer[:struck]).max() < 1e-6
    assert np.argmax(np.abs(answer)) - struck < 10
    assert np.abs(answer[struck + 2048 :]).max() < 1e-6


def test_a_flat_curve_changes_nothing():
    sound = noise(0.5)

    assert np.allclose(shape(sound, ((100.0, 0.0), (1000.0, 0.0))), sound, atol=1e-5)
    assert shape(sound, ()) is sound


def test_silence_stays_silence():
    assert not shape(silence(), CURVE).any()


def test_two_curves_join_into_one_that_does_both():
    other = ((50.0, 3.0), (1000.0, -3.0))
    sound = noise(0.5)

    at_once = shape(sound, join(CURVE, other))

    assert rms_db(at_once - shape(shape(sound, CURVE), other)) < rms_db(at_once) - 25


def test_each_side_goes_through_its_own_response():
    responses = np.stack([np.eye(1, 100, 0)[0], np.eye(1, 100, 50)[0]]).astype(np.float32)

    left, right = convolve(impulse(sides=1, at=0.5), responses)

    assert np.argmax(left) == RATE // 2
    assert np.argmax(right) == RATE // 2 + 50


def test_responses_are_kept_and_cannot_be_changed_by_accident():
    response = impulse_response(CURVE)

    assert impulse_response(CURVE) is response
    with pytest.raises(ValueError, match="read-only"):
        response[0] = 1


@pytest.mark.parametrize(("low", "high"), [(28, 0), (4000, 0), (0, 250), (250, 1000)])
def test_butterworth_filters_are_those_of_scipy(low: float, high: float):
    kind, edges = ("bandpass", [low, high]) if low and high else ("highpass", low) if low else ("lowpass", high)
    sections = signal.butter(2, edges, kind, fs=RATE, output="sos")
    _, response = signal.freqz_sos(sections, fft.rfftfreq(4096, 1 / RATE), fs=RATE)

    assert butterworth(4096, low, high) == pytest.approx(response, abs=1e-6)


def test_direct_current_is_removed_and_music_is_not():
    assert np.abs(high_pass(np.full((2, 2 * RATE), 0.3, np.float32), 28.0)[:, RATE:]).max() < 1e-3
    assert np.abs(high_pass(sine(110), 28.0)[:, RATE // 2 :]).max() == pytest.approx(0.5, rel=0.02)


def test_the_spectrum_finds_a_tone_in_its_band():
    bands = spectrum_db(sine(700), [100, 500, 1000, 5000])

    assert bands.argmax() == 1
    assert bands[1] - max(bands[0], bands[2]) > 30
