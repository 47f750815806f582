import numpy as np
import pytest
from signals import impulse, noise, rms_db, silence, sine

from worker.perform import RATE
from worker.room import ROOMS, echoes, resound


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_answers_both_sides_differently_and_dies_away(name):
    answer = resound(impulse(4.0, sides=1), name)

    left, right = answer
    struck = RATE // 4
    assert not answer[:, :struck].any() or np.abs(answer[:, :struck]).max() < 1e-6
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.3
    decay = round(max(ROOMS[name].decay_seconds) * RATE)
    assert np.abs(answer[:, struck + decay :]).max() < 1e-3 * np.abs(answer).max()


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_about_as_loud_as_what_is_sent(name):
    sent = noise(4.0)

    assert rms_db(resound(sent, name)[:, RATE * 2 :]) == pytest.approx(rms_db(sent), abs=4)


def test_bigger_rooms_ring_longer():
    rings = [rms_db(resound(impulse(2.0), name)[:, RATE:]) for name in ("studio", "club", "hall")]

    assert rings == sorted(rings)


def test_silence_stays_silence_and_low_tones_do_not_boom():
    assert not resound(silence(), "hall").any()
    assert rms_db(resound(sine(45, 3.0), "hall")) < rms_db(resound(sine(700, 3.0), "hall")) - 8


def test_a_room_is_always_the_same():
    first = echoes("club").copy()
    echoes.cache_clear()

    assert np.array_equal(echoes("club"), first)
