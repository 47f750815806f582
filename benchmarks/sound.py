"""What a minute of a four-piece band costs, by stage.

    python benchmarks/sound.py

writes its table to benchmarks/sound.md.
"""

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from song import GENRE, REQUEST, SONG, TAGS, Result, measure, write_table

from worker import encode
from worker.cover import draw_cover
from worker.master import master
from worker.mix import Mix, blend
from worker.render import render
from worker.verify import Promise, verify
from worker.video import draw_moving_score


def main() -> None:
    """Measure and write the table."""
    with tempfile.TemporaryDirectory() as name:
        write_table("sound", "What the sound and the picture cost", measure_stages(Path(name)))


def measure_stages(folder: Path) -> list[str]:
    """A table of stages."""
    rows = []

    def stage(name: str, work: Callable[[], Result]) -> Result:
        result, seconds = measure(work)
        rows.append((name, seconds))
        return result

    encode.encode_cover(draw_cover(SONG, REQUEST, GENRE), folder / "song.png")
    stems = stage("render", lambda: render(SONG, GENRE, seed=1))
    sound = stage("mix", lambda: blend(stems, GENRE))
    mix = Mix(sound=stage("master", lambda: master(sound, GENRE.sound.loudness_lufs)).T)
    stage("MP3", lambda: encode.encode_mp3(mix, folder / "song.png", TAGS, folder / "song.mp3"))
    rows.append(("**sound in all**", sum(seconds for _, seconds in rows)))
    notes = sum(len(part.notes) for part in SONG.parts)
    promise = Promise(seconds=mix.seconds, loudness_lufs=-14.0, tempo_bpm=SONG.tempo_bpm, notes=notes)
    stage("check of the MP3", lambda: verify(folder / "song.mp3", promise))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    cover = stage("cover", lambda: draw_cover(SONG, REQUEST, GENRE))
    stage("cover as PNG", lambda: encode.encode_cover(cover, folder / "song.png"))
    picture = stage("pictures of the video", lambda: draw_moving_score(SONG, REQUEST, GENRE, mix.seconds))
    stage("MP4", lambda: encode.encode_mp4(mix, picture, TAGS, folder / "song.mp4"))
    stage("check of the MP4", lambda: verify(folder / "song.mp4", promise))
    sizes = {suffix: (folder / f"song.{suffix}").stat().st_size / 1e6 for suffix in ("mp3", "mp4", "png")}
    return [
        f"{mix.seconds:.0f} s of music, {notes} notes: drums, bass, lead, and a rhythm guitar played twice.", "",
        "| stage | CPU s |", "|---|---|",
        *(f"| {name} | {seconds:.2f} |" for name, seconds in rows),
        f"| **all** | **{sum(seconds for name, seconds in rows if '*' not in name):.2f}** |", "",
        f"Peak memory for the sound: {peak:.0f} MB.",
        "Files: " + ", ".join(f"{suffix} {size:.1f} MB" for suffix, size in sizes.items()) + ".",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
