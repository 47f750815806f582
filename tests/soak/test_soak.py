from pathlib import Path

import pytest
from click.testing import CliRunner

from soak.__main__ import main
from soak.calls import WAYS, draw_calls
from soak.drive import soak
from soak.faults import ANSWERS, FALLS, REFUSALS, plan


@pytest.mark.timeout(900)  # a minute, where the machine is not busy
@pytest.mark.parametrize("remembers_keys", [True, False], ids=["keys are honoured", "keys are ignored"])
def test_whatever_falls_over_each_call_is_answered_once_with_its_track(tmp_path: Path, remembers_keys: bool):
    report = soak(posts=16, faults=14, seed=3 + remembers_keys, folder=tmp_path, remembers_keys=remembers_keys)

    assert (report.lost, report.doubled, report.trackless, report.left_open, report.stalled) == ([], [], [], [], False)
    assert report.faults.total() >= 5


def test_the_same_seed_gives_the_same_faults_in_the_same_order():
    assert plan(1000, 400, seed=1) == plan(1000, 400, seed=1)
    assert plan(1000, 400, seed=1) != plan(1000, 400, seed=2)
    assert draw_calls(1000, seed=1) == draw_calls(1000, seed=1)


def test_faults_of_every_kind_come_in_a_long_run():
    faults = plan(1000, 400, seed=1)

    assert {fault.kind for fault in faults} == {*ANSWERS, *REFUSALS, *FALLS}
    assert [fault.after for fault in faults] == sorted(fault.after for fault in faults)
    assert {call.way for call in draw_calls(1000, seed=1)} == set(WAYS)


def test_the_large_run_tells_how_it_is_started():
    told = CliRunner().invoke(main, ["--help"])

    assert told.exit_code == 0
    assert "--posts" in told.output
