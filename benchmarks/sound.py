"""What a minute of a four-piece band costs, by stage.

    python benchmarks/sound.py

writes its table to benchmarks/sound.md.
"""

import os
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
from worker.cover import draw_cover  # noqa: E402
from worker.master import master  # noqa: E402
from worker.mix import Mix, blend  # noqa: E402
from worker.render import render  # noqa: E402
from worker.verify import Promise, verify  # noqa: E402
from worker.video import draw_moving_score  # noqa: E402

Result = TypeVar("Result")
GENRE = load_genres()["heavy-metal"]
SCORE = make_score(bars=40, tempo_bpm=160.0)  # 60 s
EXCERPT = make_score(bars=1)
REQUEST = ComposeRequest(
    key="benchmark", title="Dancing robots", take=1, genre="heavy-metal", tempo_bpm=160.0, randomness=0.2, seed=1
)
TAGS = {"title": "Dancing robots", "artist": "LnH"}


def main() -> None:
    """Measure and write the table."""
    with tempfile.TemporaryDirectory() as name:
        stages = measure_stages(Path(name))
    text = "\n".join(["# What the sound and the picture cost", "", heading(), "", *stages, ""])
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

    blend(render(EXCERPT, GENRE), GENRE)  # what is loaded once in a worker's life
    encode.encode_cover(draw_cover(EXCERPT, REQUEST, GENRE), folder / "song.png")
    stems = stage("render", lambda: render(SCORE, GENRE, seed=1))
    sound = stage("mix", lambda: blend(stems, GENRE))
    mix = Mix(sound=stage("master", lambda: master(sound, GENRE.sound.loudness_lufs)).T)
    stage("MP3", lambda: encode.encode_mp3(mix, folder / "song.png", TAGS, folder / "song.mp3"))
    rows.append(("**sound in all**", sum(seconds for _, seconds in rows)))
    notes = sum(len(part.notes) for part in SCORE.parts)
    promise = Promise(seconds=mix.seconds, loudness_lufs=-14.0, tempo_bpm=SCORE.tempo_bpm, notes=notes)
    stage("check of the MP3", lambda: verify(folder / "song.mp3", promise))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    cover = stage("cover", lambda: draw_cover(SCORE, REQUEST, GENRE))
    encode.encode_cover(cover, folder / "song.png")
    picture = stage("pictures of the video", lambda: draw_moving_score(SCORE, REQUEST, GENRE, mix.seconds))
    stage("MP4", lambda: encode.encode_mp4(mix, picture, TAGS, folder / "song.mp4"))
    stage("check of the MP4", lambda: verify(folder / "song.mp4", promise))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    sizes = {suffix: (folder / f"song.{suffix}").stat().st_size / 1e6 for suffix in ("mp3", "mp4", "png")}
    return [
        f"{mix.seconds:.0f} s of music, {notes} notes: drums, bass, lead, and a rhythm guitar played twice.", "",
        "| stage | CPU s |", "|---|---|",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in rows),
        f"| **all** | **{sum(seconds for name, seconds in rows if '*' not in name):.1f}** |", "",
        f"Peak memory for the sound: {peak:.0f} MB here; {children:.0f} MB in the largest ffmpeg.",
        "Files: " + ", ".join(f"{suffix} {size:.1f} MB" for suffix, size in sizes.items()) + ".",
    ]  # fmt: skip


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """A result, and the CPU seconds that it took, those of child processes too."""
    began = os.times()
    result = work()
    return result, sum(os.times()[:4]) - sum(began[:4])


if __name__ == "__main__":
    main()
