"""What the cover and the video of a minute of music cost, and the video in other ways of encoding it.

    python benchmarks/picture.py

writes its tables to benchmarks/picture.md.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from song import EXCERPT, GENRE, REQUEST, SONG, TAGS, measure, write_table
from sound_checks import meter

from worker import encode, video
from worker.cover import draw_cover
from worker.mix import Mix, mix_down
from worker.perform import RATE
from worker.render import render_each

TOOLS = "8x8dct=1:deblock=0,0:open-gop=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A way of making the pictures; what is not said is as we do it."""

    rate: int = video.FRAME_RATE
    pixels: int = video.STEP  # that the score moves from frame to frame
    height: int = video.ROLL_HEIGHT  # of what moves
    preset: str = "ultrafast"
    parameters: str = TOOLS
    quality: tuple[str, str] = encode.X264[-2:]
    threads: int = int(encode.THREADS)
    pipe: int = encode.PIPE_BYTES

    @property
    def tools(self) -> str:
        """In words, beside the preset's own."""
        named = {"8x8dct=1": "8×8", "deblock=0,0": "deblocking", "cabac=1": "CABAC"}
        return ", ".join(name for parameter, name in named.items() if parameter in self.parameters.split(":"))


OURS = Choice()
CHOICES = [
    OURS,
    Choice(rate=25, quality=("-qp", "24"), threads=2, pipe=2**16),
    *(Choice(rate=rate) for rate in (24, 25, 30)),
    Choice(height=220),
    Choice(threads=2),
    Choice(pipe=2**16),
    Choice(quality=("-qp", "24")),
    Choice(quality=("-qp", "20")),
    Choice(parameters=f"{TOOLS}:cabac=1"),
    Choice(preset="superfast", parameters="open-gop=0", quality=("-crf", "22")),
    Choice(preset="veryfast", parameters="open-gop=0", quality=("-crf", "22")),
]
AAC_CHOICES = [("twoloop", "256k"), ("twoloop", "192k"), ("fast", "256k"), ("fast", "192k")]


def main() -> None:
    """Measure and write the tables."""
    song, excerpt = (mix_down(render_each(score, GENRE, seed=1), GENRE) for score in (SONG, EXCERPT))
    with tempfile.TemporaryDirectory() as name:
        stages = measure_stages(song, Path(name))
        choices = measure_choices(excerpt, Path(name))
        sounds = measure_sounds(song, Path(name))
    write_table("picture", "What the pictures cost", [*stages, "", *choices, "", *sounds])


def measure_stages(mix: Mix, folder: Path) -> list[str]:
    """A table of stages."""
    cover, drawing = measure(lambda: draw_cover(SONG, REQUEST, GENRE))
    _, writing = measure(lambda: encode.encode_cover(cover, folder / "song.png"))
    picture, preparing = measure(lambda: video.draw_moving_score(SONG, REQUEST, GENRE, mix.seconds))
    _, playing = measure(lambda: [None for _ in picture.play()])
    _, all_of_it = measure(lambda: encode.encode_mp4(mix, picture, TAGS, folder / "song.mp4"))
    sound: list[str | Path] = ["-i", folder / "song.mp4.wav", *encode.AAC, "-f", "mp4"]
    _, sounding = measure(lambda: encode.run_ffmpeg(sound, folder / "sound.mp4"))
    size = {form: (folder / f"song.{form}").stat().st_size / 1e6 for form in ("png", "mp4")}
    notes = sum(len(part.notes) for part in SONG.parts)
    return [
        f"{mix.seconds:.0f} s, {notes} notes, four players.", "",
        "| stage | CPU s |", "|---|---|",
        f"| cover: drawing | {drawing:.2f} |",
        f"| cover: PNG of {size['png']:.1f} MB | {writing:.2f} |",
        f"| video: title, record, lanes, map | {preparing:.2f} |",
        f"| video: putting {picture.frames} frames together | {playing:.2f} |",
        f"| video: AAC | {sounding:.2f} |",
        f"| video: piping the frames, H.264 | {all_of_it - playing - sounding:.2f} |",
        f"| **video, all, {size['mp4']:.1f} MB** | **{preparing + all_of_it:.2f}** |",
    ]  # fmt: skip


def measure_choices(mix: Mix, folder: Path) -> list[str]:
    """A table of ways to make the pictures of a part of the song."""
    rows = [
        f"Ways of making the pictures of {mix.seconds:.1f} s, sound included; the first is ours, the second is what it "
        "was. Moving is a share of the picture, likeness is SSIM to qp 4.", "",
        "| frames/s | pixels/s | moving | x264 | with | quality | threads | pipe | CPU s/min | MB/min | SSIM |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for choice in CHOICES:
        seconds, size, likeness = try_choice(choice, mix, folder)
        moving = video.ROLL_WIDTH * choice.height / (video.WIDTH * video.HEIGHT)
        row = (
            choice.rate, choice.rate * choice.pixels, f"{moving:.0%}", choice.preset, choice.tools or "–",
            " ".join(choice.quality)[1:], choice.threads, f"{choice.pipe // 1024} KiB",
            f"{seconds * 60 / mix.seconds:.1f}", f"{size * 60 / mix.seconds:.1f}", f"{likeness:.4f}",
        )  # fmt: skip
        rows.append("| " + " | ".join(map(str, row)) + " |")
    return rows


def try_choice(choice: Choice, mix: Mix, folder: Path) -> tuple[float, float, float]:
    """CPU seconds, megabytes, and likeness to a video without visible loss."""
    for module in (video, encode):
        vars(module)["FRAME_RATE"] = choice.rate
    video.STEP, video.ROLL_HEIGHT = choice.pixels, choice.height
    encode.THREADS, encode.PIPE_BYTES = str(choice.threads), choice.pipe
    picture = video.draw_moving_score(EXCERPT, REQUEST, GENRE, mix.seconds)
    encode.X264 = ("-preset", "ultrafast", "-x264-params", TOOLS, "-qp", "4")
    encode.encode_mp4(mix, picture, TAGS, folder / "reference.mp4")
    encode.X264 = ("-preset", choice.preset, "-x264-params", choice.parameters, *choice.quality)
    _, seconds = measure(lambda: encode.encode_mp4(mix, picture, TAGS, folder / "choice.mp4"))
    likeness = compare(folder / "choice.mp4", folder / "reference.mp4")
    return seconds, (folder / "choice.mp4").stat().st_size / 1e6, likeness


def compare(film: Path, reference: Path) -> float:
    """Structural likeness of two videos."""
    command: list[str | Path] = ["ffmpeg", "-nostdin", "-i", film, "-i", reference,
               "-lavfi", "[0:v][1:v]ssim", "-f", "null", "-"]  # fmt: skip
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stderr
    return float(re.findall(r"All:(\S+)", report)[-1])


def measure_sounds(mix: Mix, folder: Path) -> list[str]:
    """A table of ways to encode the sound of a video."""
    encode.write_sound(mix, folder / "song.wav")
    _, before = meter(folder / "song.wav")
    path = folder / "sound.mp4"
    rows = [
        f"Ways of encoding {len(mix.sound) / RATE:.0f} s of sound as AAC; the third is ours.", "",
        "| coder | bits/s | CPU s | MB | true peak, to before |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for coder, rate in AAC_CHOICES:
        arguments = [*encode.AAC[:4], "-b:a", rate, "-aac_coder", coder, "-aac_tns", "0", "-f", "mp4"]
        _, seconds = measure(partial(encode.run_ffmpeg, ["-i", folder / "song.wav", *arguments], path))
        _, peak = meter(path)
        rows.append(f"| {coder} | {rate} | {seconds:.2f} | {path.stat().st_size / 1e6:.1f} | {peak - before:+.1f} dB |")
    return rows


if __name__ == "__main__":
    main()
