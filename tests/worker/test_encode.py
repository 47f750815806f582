import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from processes import TESTS, wait_until
from scores import make_score
from sound_checks import meter, probe
from stub_studio import make_request

from model.genre import load_genres
from worker.cover import draw_cover
from worker.encode import (
    CannotWrite,
    MissingFfmpeg,
    cut_for_video,
    encode_cover,
    encode_mp3,
    encode_mp4,
    run_ffmpeg,
    write_sound,
)  # fmt: skip
from worker.mix import Mix, mix_down
from worker.perform import RATE
from worker.render import RenderFailed, render_each
from worker.video import HEIGHT, MAP_HEIGHT, MAP_TOP, ROLL_HEIGHT, ROLL_TOP, WIDTH, draw_moving_score

METAL = load_genres()["heavy-metal"]
REQUEST = make_request("console-1")
SCORE = make_score(bars=4)
TAGS = {"title": "L'été; [v] 50% \"off\" \\ 🤖", "artist": "LnH", "genre": "Heavy metal"}


@pytest.fixture(scope="module")
def mix() -> Mix:
    return mix_down(render_each(SCORE, METAL, seed=1), METAL)


@pytest.fixture(scope="module")
def mp3(mix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mp3")
    encode_cover(draw_cover(SCORE, REQUEST, METAL), folder / "song.png")
    encode_mp3(mix, folder / "song.png", TAGS, folder / "song.mp3")
    return folder / "song.mp3"


@pytest.fixture(scope="module")
def mp4(mix, tmp_path_factory):
    path = tmp_path_factory.mktemp("mp4") / "song.mp4"
    encode_mp4(mix, draw_moving_score(SCORE, REQUEST, METAL, mix.seconds), TAGS, path)
    return path


def test_the_mp3_is_as_loud_as_asked_and_under_the_ceiling(mp3):
    loudness, peak = meter(mp3)

    assert loudness == pytest.approx(-14.0, abs=0.3)
    assert peak <= -1.0


def test_the_mp3_has_its_length_its_tags_and_its_cover(mp3, mix):
    found = probe(mp3)

    audio, cover = found["streams"]
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("mp3", "44100", 2)
    assert float(found["format"]["duration"]) == pytest.approx(mix.seconds, abs=0.06)
    assert {name: found["format"]["tags"][name] for name in TAGS} == TAGS
    assert (cover["width"], cover["height"], cover["disposition"]["attached_pic"]) == (1200, 1200, 1)


def test_the_mp4_is_what_networks_take(mp4):
    video, audio = probe(mp4)["streams"]

    assert (video["codec_name"], video["profile"], video["pix_fmt"]) == ("h264", "High", "yuv420p")
    assert (video["width"], video["height"], video["sample_aspect_ratio"]) == (1280, 720, "1:1")
    assert (audio["codec_name"], audio["profile"], audio["channels"]) == ("aac", "LC", 2)
    start = mp4.read_bytes()
    assert start.index(b"moov") < start.index(b"mdat")


def test_the_mp4_is_as_long_as_its_sound(mp4, mix):
    found = probe(mp4)

    lengths = [float(stream["duration"]) for stream in found["streams"]] + [float(found["format"]["duration"])]
    assert lengths == pytest.approx([mix.seconds] * 3, abs=0.05)


def test_the_mp4_is_as_loud_as_asked_and_under_the_ceiling(mp4):
    loudness, peak = meter(mp4)

    assert loudness == pytest.approx(-14.0, abs=0.3)
    assert peak <= -1.0


def test_the_picture_moves_with_the_song(mp4, tmp_path):
    for number, second in enumerate((2, 5)):
        run_ffmpeg(["-ss", str(second), "-i", mp4, "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo"],
                   tmp_path / str(number))  # fmt: skip

    first, later = (np.frombuffer((tmp_path / name).read_bytes(), np.uint8).reshape(HEIGHT, WIDTH) for name in "01")

    changed = np.abs(first.astype(int) - later) > 40
    assert changed[ROLL_TOP : ROLL_TOP + ROLL_HEIGHT].sum() > 2000
    assert changed[: ROLL_TOP - 16].sum() < 100
    assert changed[MAP_TOP : MAP_TOP + MAP_HEIGHT].sum() > 500


def test_the_video_can_be_entered_every_two_seconds(mp4):
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time,flags",
               "-of", "csv=p=0", mp4]  # fmt: skip
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()

    keys = [float(line.split(",")[0]) for line in lines if "K" in line]
    assert keys == pytest.approx([2.0 * number for number in range(len(keys))])
    assert len(keys) >= 4


def test_the_same_song_has_the_same_video(mix, mp4, tmp_path):
    encode_mp4(mix, draw_moving_score(SCORE, REQUEST, METAL, mix.seconds), TAGS, tmp_path / "again.mp4")

    assert (tmp_path / "again.mp4").read_bytes() == mp4.read_bytes()


def test_full_scale_noise_survives(tmp_path):
    noise = Mix(sound=np.random.default_rng(1).choice(np.array([-1, 1], np.float32), (RATE, 2)))

    assert write_sound(noise, tmp_path / "noise.wav") == pytest.approx(1.0)


def test_a_song_that_is_too_long_for_a_video_is_faded_out_in_time(monkeypatch):
    monkeypatch.setattr("worker.encode.LONGEST_VIDEO_SECONDS", 4.0)
    song = Mix(sound=np.full((6 * RATE, 2), 0.5, np.float32))

    cut = cut_for_video(song)

    assert cut.seconds == pytest.approx(4.0)
    assert (cut.sound[:RATE] == song.sound[:RATE]).all()
    assert abs(cut.sound[-10:]).max() < 0.01
    assert song.sound[-1, 0] == 0.5
    assert cut_for_video(cut) is cut


def test_an_ffmpeg_whose_file_may_not_grow_is_told_from_one_that_is_killed(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path, "kill -XFSZ $$")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotWrite, match=r"song\.mp3: files may not grow as large; raise the limit"):
        run_ffmpeg([], tmp_path / "song.mp3")


def test_without_ffmpeg_the_package_to_install_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingFfmpeg, match="apt install ffmpeg"):
        run_ffmpeg(["-version"], tmp_path / "song.mp3")


def test_a_full_disk_is_named(tmp_path):
    (tmp_path / "song.wav").symlink_to("/dev/full")

    with pytest.raises(CannotWrite, match=r"song\.wav: no space left"):
        write_sound(Mix(sound=np.zeros((RATE, 2), np.float32)), tmp_path / "song.wav")


@pytest.mark.parametrize("form", ["mp3", "wav"])
def test_a_disk_that_fills_up_under_ffmpeg_is_named(tmp_path, form):
    (tmp_path / f"song.{form}").symlink_to("/dev/full")
    tone = ["-f", "lavfi", "-i", "sine=duration=5"]

    with pytest.raises(CannotWrite, match="no space left"):
        run_ffmpeg([*tone, "-f", form], tmp_path / f"song.{form}")


def fake_ffmpeg(folder, script):
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_an_ffmpeg_that_hangs_is_given_up(monkeypatch, tmp_path):
    fake_ffmpeg(tmp_path, "exec /bin/sleep 30")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RenderFailed, match=r"song\.mp3: ffmpeg was not done after 0\.2 s"):
        run_ffmpeg([], tmp_path / "song.mp3", seconds_allowed=0.2)


def test_an_ffmpeg_that_is_killed_is_reported(monkeypatch, tmp_path):
    fake_ffmpeg(tmp_path, "kill -9 $$")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RenderFailed, match=r"song\.mp3: ffmpeg ended with -9"):
        run_ffmpeg([], tmp_path / "song.mp3")


def endless_pictures():
    while True:
        yield np.zeros((HEIGHT, WIDTH), np.uint8)


def test_an_ffmpeg_that_takes_no_more_pictures_is_given_up(monkeypatch, tmp_path):
    fake_ffmpeg(tmp_path, "exec /bin/sleep 30")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RenderFailed, match=r"song\.mp4: ffmpeg was not done after 0\.2 s"):
        run_ffmpeg([], tmp_path / "song.mp4", feed=endless_pictures(), seconds_allowed=0.2)


def test_an_ffmpeg_that_dies_over_its_pictures_leaves_no_half_file(monkeypatch, tmp_path):
    fake_ffmpeg(tmp_path, 'for last; do :; done; echo half > "$last"; echo "out of memory" >&2; kill -9 $$')
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RenderFailed, match=r"song\.mp4: ffmpeg ended with -9: 'out of memory'"):
        run_ffmpeg([], tmp_path / "song.mp4", feed=endless_pictures())

    assert not (tmp_path / "song.mp4").exists()


def test_a_picture_that_cannot_be_drawn_stops_ffmpeg_and_leaves_no_half_file(tmp_path):
    def pictures():
        yield np.zeros((HEIGHT, WIDTH), np.uint8)
        raise MemoryError

    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-i", "-", "-f", "mp4"]

    with pytest.raises(MemoryError):
        run_ffmpeg(raw, tmp_path / "song.mp4", feed=pictures())

    assert not (tmp_path / "song.mp4").exists()


ENCODER = """
    import signal, sys
    from pathlib import Path
    from worker.encode import run_ffmpeg
    signal.signal(signal.SIGINT, lambda *_: None)  # as a service: it finishes what it holds
    run_ffmpeg([], Path(sys.argv[1]))
"""


def begin_encoding(folder, seconds):
    """A process group that encodes for some seconds, and the id of its ffmpeg."""
    fake_ffmpeg(folder, f"echo $$ > {folder}/pid.part; mv {folder}/pid.part {folder}/pid; exec sleep {seconds}")
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-c", textwrap.dedent(ENCODER), str(folder / "song.mp3")]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    wait_until((folder / "pid").exists)
    return process, int((folder / "pid").read_text())


def test_a_ctrl_c_does_not_break_what_a_service_encodes(tmp_path):
    process, _ = begin_encoding(tmp_path, seconds=1)

    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(30) == 0


@pytest.mark.skipif(which("setpriv") is None, reason="util-linux ties ffmpeg to us")
def test_no_ffmpeg_outlives_a_service_that_is_killed(tmp_path):
    process, pid = begin_encoding(tmp_path, seconds=300)

    process.kill()
    process.wait()

    wait_until(lambda: not Path(f"/proc/{pid}").exists())
