import signal
import time

import pytest

from worker.deadline import TooSlow, deadline


@pytest.fixture
def job():
    """A job with a minute to go."""
    before = signal.setitimer(signal.ITIMER_REAL, 60)
    yield
    signal.setitimer(signal.ITIMER_REAL, *before)


@pytest.mark.usefixtures("job")
def test_a_stage_that_hangs_is_ended_and_the_job_goes_on_with_what_is_left_of_its_time():
    with pytest.raises(TooSlow, match=r"encode: not done after 0.05 s"), deadline("encode", 0.05):
        time.sleep(30)

    left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < left < 60


@pytest.mark.usefixtures("job")
def test_a_stage_that_is_done_in_time_is_left_alone():
    with deadline("encode", 30):
        pass

    assert signal.getitimer(signal.ITIMER_REAL)[0] > 30


@pytest.mark.usefixtures("job")
def test_the_end_of_the_job_comes_before_a_later_one_of_a_stage():
    ends = signal.getsignal(signal.SIGALRM)

    with deadline("encode", 300):
        assert signal.getsignal(signal.SIGALRM) == ends


def test_where_nobody_waits_nothing_is_limited():
    before = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        with deadline("encode", 0.01):
            time.sleep(0.03)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
