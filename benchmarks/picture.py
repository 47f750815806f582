"""What the cover and the video of a minute of music cost, and the video in other ways of encoding it.

    python benchmarks/picture.py

writes its tables to benchmarks/picture.md.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from machine import machine  # noqa: E402
from scores import make_score  # noqa: E402

from model.genre import load_genres  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from model.score import Score  # noqa: E402
from worker import encode, video  # noqa: E402
from worker.cover import draw_cover  # noqa: E402
from worker.mix import Mix  # noqa: E402
from worker.perform import RATE  # noqa: E402

Result = TypeVar("Result")
GENRE = load_genres()["heavy-metal"]
REQUEST = ComposeRequest(
    key="benchmark", title="Dancing robots", take=1, genre="heavy-metal", tempo_bpm=160.0, randomness=0.2, seed=1
)
SONG, EXCERPT = make_score(bars=38, tempo_bpm=160.0), make_score(bars=6, tempo_bpm=160.0)
RING_SECONDS = 3.0
TRIES = 2  # of which the cheapest counts: the other core is not always idle

TOOLS = "8x8dct=1:deblock=0,0:open-gop=0"
CHOICES = [  # frames a second, preset, x264 parameters, quality
    (25, "ultrafast", TOOLS, ("-qp", "24")),
    (25, "ultrafast", TOOLS, ("-crf", "22")),
    (25, "ultrafast", TOOLS, ("-qp", "20")),
    (25, "ultrafast", f"{TOOLS}:cabac=1", ("-qp", "24")),
    (25, "superfast", "open-gop=0", ("-crf", "22")),
    (25, "veryfast", "open-gop=0", ("-crf", "22")),
    (20, "ultrafast", TOOLS, ("-qp", "24")),
    (50, "ultrafast", TOOLS, ("-qp", "24")),
]


def main() -> None:
    """Measure and write the tables."""
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    heading = f"{machine()}, ffmpeg {ffmpeg}. By `python benchmarks/picture.py`; of {TRIES} tries the cheapest."
    with tempfile.TemporaryDirectory() as name:
        stages = measure_stages(Path(name))
        choices = measure_choices(Path(name))
    text = "\n".join(["# What the pictures cost", "", heading, "", *stages, "", *choices, ""])
    (HERE / "picture.md").write_text(text, encoding="utf-8")
    print(text)


def measure_stages(folder: Path) -> list[str]:
    """A table of stages."""
    mix = noise(SONG)
    cover, drawing = timed(lambda: draw_cover(SONG, REQUEST, GENRE))
    _, writing = timed(lambda: encode.encode_cover(cover, folder / "song.png"))
    picture, preparing = timed(lambda: video.draw_moving_score(SONG, REQUEST, GENRE, mix.seconds))
    _, playing = timed(lambda: [None for _ in picture.play()])
    _, all_of_it = timed(lambda: encode.encode_mp4(mix, picture, {}, folder / "song.mp4"))
    sound = ["-i", folder / "song.mp4.wav", *encode.AAC, "-f", "mp4"]
    _, sounding = timed(lambda: encode.run_ffmpeg(sound, folder / "sound.mp4"))
    size = {form: (folder / f"song.{form}").stat().st_size / 1e6 for form in ("png", "mp4")}
    notes = sum(len(part.notes) for part in SONG.parts)
    return [
        f"{mix.seconds:.0f} s, {notes} notes, four players; the sound is noise.", "",
        "| stage | CPU s |", "|---|---|",
        f"| cover: drawing | {drawing:.2f} |",
        f"| cover: PNG of {size['png']:.1f} MB | {writing:.2f} |",
        f"| video: title, record, lanes, map | {preparing:.2f} |",
        f"| video: putting {picture.frames} frames together | {playing:.2f} |",
        f"| video: AAC | {sounding:.2f} |",
        f"| video: piping the frames, H.264 | {all_of_it - playing - sounding:.2f} |",
        f"| **video, all, {size['mp4']:.1f} MB** | **{preparing + all_of_it:.2f}** |",
    ]  # fmt: skip


def measure_choices(folder: Path) -> list[str]:
    """A table of ways to encode a part of the song."""
    mix = noise(EXCERPT)
    rows = [
        f"Ways of encoding a video of {mix.seconds:.1f} s, the first is ours. Likeness is SSIM to qp 4.",
        "", "| frames/s | x264 | quality | CPU s | MB | SSIM |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for rate, preset, parameters, quality in CHOICES:
        video.STEP = video.STEP * video.FRAME_RATE // rate
        video.FRAME_RATE = encode.FRAME_RATE = rate
        picture = video.draw_moving_score(EXCERPT, REQUEST, GENRE, mix.seconds)
        encode.X264 = ("-preset", "ultrafast", "-x264-params", TOOLS, "-qp", "4")
        encode.encode_mp4(mix, picture, {}, folder / "reference.mp4")
        encode.X264 = ("-preset", preset, "-x264-params", parameters, *quality)
        _, seconds = timed(lambda picture=picture: encode.encode_mp4(mix, picture, {}, folder / "choice.mp4"))
        size = (folder / "choice.mp4").stat().st_size / 1e6
        likeness = compare(folder / "choice.mp4", folder / "reference.mp4")
        tools = " + 8×8, deblocking" * (TOOLS in parameters) + ", CABAC" * ("cabac" in parameters)
        row = (rate, preset + tools, " ".join(quality)[1:], f"{seconds:.1f}", f"{size:.1f}", f"{likeness:.4f}")
        rows.append("| " + " | ".join(map(str, row)) + " |")
    return rows


def noise(score: Score) -> Mix:
    """Something to hear for as long as a song."""
    frames = round((score.seconds + RING_SECONDS) * RATE)
    return Mix(sound=np.random.default_rng(1).normal(0, 0.1, (frames, 2)).astype(np.float32))


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """A result, and the least CPU seconds that it took, those of child processes too."""
    least = float("inf")
    for _ in range(TRIES):
        began = os.times()
        result = work()
        least = min(least, sum(os.times()[:4]) - sum(began[:4]))
    return result, least


def compare(film: Path, reference: Path) -> float:
    """Structural likeness of two videos."""
    command = ["ffmpeg", "-nostdin", "-i", film, "-i", reference,
               "-lavfi", "[0:v][1:v]ssim", "-f", "null", "-"]  # fmt: skip
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stderr
    return float(re.findall(r"All:(\S+)", report)[-1])


if __name__ == "__main__":
    main()
