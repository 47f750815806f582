import numpy as np
import pytest
from signals import decibels, impulse, noise, rms_db, silence, sine

from worker.levels import loudness, true_peaks
from worker.master import (
    CEILING_DBTP,
    CLIP_AT,
    CLIP_FROM,
    cut_silence,
    even_out,
    fade_ring,
    glue,
    make_loud,
    master,
    soft_clip,
)
from worker.perform import RATE, RING_SECONDS
from worker.tone import shape, spectrum_db


@pytest.mark.parametrize("stage", [even_out, glue, soft_clip, fade_ring, cut_silence, lambda s: make_loud(s, -14.0)])
def test_every_stage_leaves_silence_silent_and_noise_whole(stage):
    assert not stage(silence()).any()
    assert np.isfinite(stage(noise())).all()
    assert np.isfinite(stage(impulse())).all()


def test_full_scale_noise_is_tamed():
    mastered = master(noise(5.0), -14.0)

    assert loudness(mastered) == pytest.approx(-14.0, abs=0.3)
    assert decibels(true_peaks(mastered).max()) <= CEILING_DBTP + 0.05
    assert np.abs(mastered.mean(axis=1)).max() < 1e-4


def test_silence_stays_silence():
    assert not master(silence(), -14.0).any()


def test_single_clicks_are_caught_though_they_are_far_too_high():
    sound = sine(220, 3.0, 0.02)
    sound[:, RATE :: RATE // 2] = 0.9

    mastered = make_loud(sound, -14.0)

    assert decibels(true_peaks(mastered).max()) <= CEILING_DBTP + 0.1
    assert np.isfinite(mastered).all()


def test_a_dull_mix_becomes_brighter_and_a_shrill_one_milder():
    def brightness(sound):
        low, _, high = spectrum_db(sound, [60, 200, 4000, 10_000])
        return high - low

    dull, shrill = shape(noise(), ((60.0, 0.0), (10_000.0, -60.0))), noise()

    assert brightness(even_out(dull)) > brightness(dull) + 2
    assert brightness(even_out(shrill)) < brightness(shrill) - 2


def test_the_clipper_rounds_off_only_what_sticks_out():
    quiet, loud = sine(100, amplitude=CLIP_FROM * 0.99), sine(100, amplitude=2.0)

    assert np.array_equal(soft_clip(quiet), quiet)
    clipped = soft_clip(loud)
    assert np.abs(clipped).max() <= CLIP_AT
    assert (np.sign(clipped) == np.sign(loud)).all()
    rising = clipped[0, : RATE // 400]
    assert (np.diff(rising) >= 0).all()


def test_glue_holds_loud_passages_back_and_leaves_soft_ones():
    soft, loud = sine(440, 2.0, 0.02), sine(440, 2.0, 0.5)

    held = glue(np.hstack([soft, loud]))

    assert np.allclose(held[:, :RATE], soft[:, :RATE], atol=1e-5)
    assert rms_db(loud) - 8 < rms_db(held[:, 3 * RATE :]) < rms_db(loud) - 2


def test_the_ring_fades_to_nothing_and_what_is_before_it_does_not():
    tone = sine(440, 5.0)

    faded = fade_ring(tone)

    ring = round(RING_SECONDS * RATE)
    assert np.array_equal(faded[:, :-ring], tone[:, :-ring])
    assert np.abs(faded[:, -10:]).max() < 1e-5


def test_silence_at_the_end_is_cut_and_the_ring_before_it_is_not():
    ring = sine(440, 2.0) * np.geomspace(1, 1e-3, 2 * RATE, dtype=np.float32)
    sound = np.hstack([ring, silence(3.0)])

    cut = cut_silence(sound)

    assert cut.shape[1] / RATE == pytest.approx(2.2, abs=0.05)
    assert np.array_equal(cut[:, : RATE * 19 // 10], sound[:, : RATE * 19 // 10])
    assert np.abs(cut[:, -1]).max() == 0
