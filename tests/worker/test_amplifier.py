import numpy as np
import pytest
from signals import impulse, noise, rms_db, silence, sine, strength_db

from worker.amplifier import AMPLIFIERS, BLOCK, CABINETS, OVERLAP, Rig, amplify, speaker, valve
from worker.perform import RATE

HIGH_GAIN = Rig(model="high-gain", cabinet="stack")
CLEAN = Rig(model="clean", cabinet="open")


@pytest.mark.parametrize("model", AMPLIFIERS)
@pytest.mark.parametrize("cabinet", CABINETS)
def test_silence_stays_silence(model, cabinet):
    assert not amplify(silence(), Rig(model=model, cabinet=cabinet)).any()


@pytest.mark.parametrize("model", AMPLIFIERS)
def test_full_scale_noise_comes_out_whole(model):
    played = amplify(noise(), Rig(model=model, cabinet="stack"))

    assert played.dtype == np.float32
    assert played.shape == noise().shape
    assert np.isfinite(played).all()
    assert -40 < rms_db(played) < 12


def test_the_curve_is_soft_and_then_flat():
    wave = np.linspace(-50, 50, 1001, dtype=np.float32)

    bent = valve(wave)

    assert (np.diff(bent) >= 0).all()
    assert np.abs(bent).max() < 1.2
    assert abs(valve(np.zeros(1, np.float32))) < 1e-7


def harmonics_db(rig):
    played = amplify(sine(200, 2.0, sides=1), rig)[:, RATE // 2 :]
    return [strength_db(played, 200 * number) for number in (1, 3, 5)]


def test_the_more_gain_the_more_overtones():
    overtones = [
        max(levels[1:]) - levels[0]
        for levels in (harmonics_db(Rig(model=model, cabinet="stack")) for model in ("clean", "crunch", "high-gain"))
    ]

    assert overtones[0] < -15
    assert overtones == sorted(overtones)
    assert overtones[2] > overtones[0] + 10


def test_what_is_bent_does_not_fold_back():
    played = amplify(sine(1234, 2.0, sides=1), Rig(model="high-gain", cabinet="none"))[:, RATE // 2 :]
    loudest = strength_db(played, 1234)

    spectrum = np.abs(np.fft.rfft(played[0] * np.hanning(played.shape[1])))
    hertz = np.fft.rfftfreq(played.shape[1], 1 / RATE)
    spectrum[np.abs((hertz + 617) % 1234 - 617) < 20] = 0  # what belongs there
    spectrum[hertz < 60] = 0
    assert 20 * np.log10(spectrum.max() * 4 / played.shape[1]) < loudest - 60


def test_loudspeakers_let_nothing_through_that_guitars_do_not_have():
    played = amplify(noise(sides=1), HIGH_GAIN)

    assert strength_db(played, 12_000) < strength_db(played, 2500) - 30
    assert rms_db(np.diff(played)) > rms_db(played.mean()) + 30


def test_tone_and_drive_are_heard():
    sound = sine(300, 1.0, 0.2, sides=1)

    dark, bright = (amplify(sound, Rig(model="crunch", cabinet="open", tone=tone)) for tone in (-1, 1))

    assert strength_db(bright, 1500) - strength_db(bright, 300) > strength_db(dark, 1500) - strength_db(dark, 300) + 3
    mild = amplify(sound, Rig(model="crunch", cabinet="open", drive_db=-20))
    assert strength_db(mild, 900) - strength_db(mild, 300) < strength_db(dark, 900) - strength_db(dark, 300)


def test_two_sides_go_through_two_loudspeakers():
    left, right = amplify(sine(440, sides=2), CLEAN)

    assert speaker("stack", 0) != speaker("stack", 1)
    assert not np.allclose(left, right, atol=1e-3)


def test_blocks_leave_no_seams():
    """A song that is shifted by half a block comes out shifted and otherwise the same."""
    sound = sine(110, 1.5, sides=1)
    shift = (BLOCK - OVERLAP) // 2
    later = np.pad(sound, ((0, 0), (shift, 0)))

    first, second = amplify(sound, CLEAN), amplify(later, CLEAN)

    level = rms_db(first)
    gain = np.sqrt(np.mean(first**2) / np.mean(second[:, shift:] ** 2))
    assert rms_db(first - second[:, shift:] * gain) < level - 40


def test_an_impulse_is_answered_at_once_and_dies_away():
    answer = np.abs(amplify(impulse(sides=1, at=0.25), CLEAN)[0])

    struck = RATE // 4
    assert np.abs(answer[:struck]).max() < answer.max() * 1e-2
    assert answer[struck : struck + 100].max() == answer.max()
    assert answer[struck + OVERLAP :].max() < answer.max() * 1e-4
