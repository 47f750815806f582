"""What is written after `lnh`, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import TESTS

from bot.__main__ import lnh, read_line
from model.errors import NeedsOperator

ENDS_ITSELF = """
    import os, signal, sys
    from bot.__main__ import lnh, main
    lnh.main = lambda **_: os.kill(os.getpid(), {number}) or signal.pause()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("tidied up")
"""


def test_songs_composed_together_are_those_of_their_seeds(tmp_path):
    def compose(folder, *more):
        command = ["compose", "/g folk", "--midi-only", "--bars", "2", "--out", str(tmp_path / folder), *more]
        return CliRunner().invoke(lnh, command, catch_exceptions=False).stdout.splitlines()

    together = compose("together", "--seed", "1", "--count", "5")
    alone = compose("alone", "--seed", "3")

    assert together == [f"{tmp_path}/together/folk-{seed}.mid" for seed in range(1, 6)]
    assert (tmp_path / "together" / "folk-3.mid").read_bytes() == Path(alone[0]).read_bytes()
    assert len({Path(name).read_bytes() for name in together}) == 5


def test_a_gpu_that_is_not_there_is_missed(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    result = CliRunner().invoke(lnh, ["compose", "/g folk", "--midi-only", "--bars", "2", "--device", "cuda"])

    assert isinstance(result.exception, NeedsOperator)
    assert "no GPU" in str(result.exception)


def test_seeds_that_would_begin_again_at_0_are_refused():
    result = CliRunner().invoke(lnh, ["compose", "/g folk", "--midi-only", "--seed", f"{2**32 - 1}", "--count", "2"])

    assert result.exit_code == 2
    assert "Seeds end at 4294967295" in result.output


@pytest.mark.parametrize(
    ("line", "title", "tempo_bpm"),
    [
        ("/g heavy-metal /t 160 /r 0.2", "", 160),
        ("Dancing robots /t 160", "Dancing robots", 160),
        ("Dancing robots", "Dancing robots", 140),
        ("AC/DC live /t 160", "AC/DC live", 160),
        ("Dancing robots /compose /t 160", "Dancing robots", 160),
        ("@lnh_ai Dancing robots /t 160 /compose", "Dancing robots", 160),
        ("", "", 140),
        ("Stop", "Stop", 140),
    ],
)
def test_a_line_is_read_with_or_without_a_title_and_the_command(line, title, tempo_bpm):
    wish = read_line(line)

    assert (wish.title, wish.tempo_bpm, wish.remarks) == (title, tempo_bpm, ())


@pytest.mark.parametrize("line", ["/t fast", "/help", "/stop", "/again"])
def test_a_line_that_asks_for_no_song_is_for_the_operator(line):
    with pytest.raises(NeedsOperator):
        read_line(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_every_command_tidies_up_when_it_is_told_to_end(number):
    script = "\n".join(line[4:] for line in ENDS_ITSELF.format(number=int(number)).splitlines())

    ended = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr.strip()) == (1, "tidied up")
