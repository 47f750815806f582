"""What a minute of a four-piece band costs, by stage; and what the video costs in other ways of encoding it.

    python benchmarks/sound.py

writes its tables to benchmarks/sound.md.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from machine import machine  # noqa: E402
from scores import make_score  # noqa: E402

from model.genre import load_genres  # noqa: E402
from model.request import ComposeRequest  # noqa: E402
from worker import encode  # noqa: E402
from worker.mix import mix_down  # noqa: E402
from worker.picture import PIXELS_PER_SECOND, draw_cover, draw_moving_score  # noqa: E402
from worker.render import render  # noqa: E402

Result = TypeVar("Result")
GENRE = load_genres()["heavy-metal"]
SCORE = make_score(bars=40, tempo_bpm=160.0)  # 60 s
EXCERPT = make_score(bars=8, tempo_bpm=160.0)
REQUEST = ComposeRequest(
    key="benchmark", title="Dancing robots", take=1, genre="heavy-metal", tempo_bpm=160.0, randomness=0.2, seed=1
)
TAGS = {"title": "Dancing robots", "artist": "LnH"}

HIGH_TOOLS = "cabac=1:8x8dct=1:deblock=0,0:open-gop=0"
CHOICES = [  # frames a second, preset, x264 parameters, constant rate factor
    (25, "ultrafast", HIGH_TOOLS, 22),
    (25, "ultrafast", "open-gop=0", 22),
    (25, "superfast", "open-gop=0", 22),
    (25, "veryfast", "open-gop=0", 22),
    (20, "ultrafast", HIGH_TOOLS, 22),
    (50, "ultrafast", HIGH_TOOLS, 22),
]


def main() -> None:
    """Measure and write the tables."""
    with tempfile.TemporaryDirectory() as name:
        stages = measure_stages(Path(name))
        choices = measure_choices(Path(name))
    text = "\n".join(["# What the sound and the picture cost", "", heading(), "", *stages, "", *choices, ""])
    (HERE / "sound.md").write_text(text, encoding="utf-8")
    print(text)


def heading() -> str:
    """Where and when this was measured, with which ffmpeg."""
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return f"{machine()}, ffmpeg {ffmpeg}. By `python benchmarks/sound.py`."


def measure_stages(folder: Path) -> list[str]:
    """A table of stages."""
    rows = []

    def stage(name: str, work: Callable[[], Result]) -> Result:
        result, seconds = timed(work)
        rows.append((name, seconds))
        return result

    render(make_score(bars=1), GENRE)  # what is loaded once in a worker's life
    stems = stage("render", lambda: render(SCORE, GENRE, seed=1))
    mix = stage("mix and master", lambda: mix_down(stems, GENRE))
    cover = stage("cover", lambda: draw_cover(SCORE, REQUEST, GENRE))
    encode.encode_cover(cover, folder / "song.png")
    stage("MP3", lambda: encode.encode_mp3(mix, folder / "song.png", TAGS, folder / "song.mp3"))
    picture = stage("pictures of the video", lambda: draw_moving_score(SCORE, REQUEST, GENRE, mix.seconds))
    stage("MP4", lambda: encode.encode_mp4(mix, picture, TAGS, folder / "song.mp4"))
    notes = sum(len(part.notes) for part in SCORE.parts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    sizes = {suffix: (folder / f"song.{suffix}").stat().st_size / 1e6 for suffix in ("mp3", "mp4", "png")}
    return [
        f"{mix.seconds:.0f} s of music, {notes} notes: drums, bass, lead, and a rhythm guitar played twice.", "",
        "| stage | CPU s |", "|---|---|",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in rows),
        f"| **all** | **{sum(seconds for _, seconds in rows):.1f}** |", "",
        f"Peak memory: {peak:.0f} MB here, {children:.0f} MB in the largest ffmpeg.",
        "Files: " + ", ".join(f"{suffix} {size:.1f} MB" for suffix, size in sizes.items()) + ".",
    ]  # fmt: skip


def measure_choices(folder: Path) -> list[str]:
    """A table of frame rates and presets for the MP4."""
    mix = mix_down(render(EXCERPT, GENRE, seed=1), GENRE)
    picture = draw_moving_score(EXCERPT, REQUEST, GENRE, mix.seconds)
    rows = [
        f"Ways of encoding an MP4 of {mix.seconds:.0f} s; the first is ours. Likeness is SSIM to crf 4.", "",
        "| frames/s | x264 | CPU s | MB | SSIM |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for rate, preset, parameters, factor in CHOICES:
        assert PIXELS_PER_SECOND % (2 * rate) == 0
        encode.FRAME_RATE = rate
        encode.X264 = ("-preset", "ultrafast", "-x264-params", HIGH_TOOLS, "-crf", "4")
        encode.encode_mp4(mix, picture, TAGS, folder / "reference.mp4")
        encode.X264 = ("-preset", preset, "-x264-params", parameters, "-crf", str(factor))
        _, seconds = timed(lambda: encode.encode_mp4(mix, picture, TAGS, folder / "choice.mp4"))
        size = (folder / "choice.mp4").stat().st_size / 1e6
        likeness = compare(folder / "choice.mp4", folder / "reference.mp4")
        tools = " + CABAC, 8×8" if parameters == HIGH_TOOLS else ""
        rows.append(f"| {rate} | {preset}{tools}, crf {factor} | {seconds:.1f} | {size:.1f} | {likeness:.4f} |")
    return rows


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """A result, and the CPU seconds that it took, those of child processes too."""
    began = os.times()
    result = work()
    return result, sum(os.times()[:4]) - sum(began[:4])


def compare(video: Path, reference: Path) -> float:
    """Structural likeness of two videos."""
    command = ["ffmpeg", "-nostdin", "-i", video, "-i", reference,
               "-lavfi", "[0:v][1:v]ssim", "-f", "null", "-"]  # fmt: skip
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stderr
    return float(re.findall(r"All:(\S+)", report)[-1])


if __name__ == "__main__":
    main()
