"""From a mix to files that networks take: MP3 with tags and cover, MP4 with the moving score."""

import io
import math
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which

import numpy as np
from PIL import Image

from model.errors import CannotWrite, NeedsOperator, writing
from worker.mix import Mix
from worker.perform import RATE
from worker.picture import BAR_HEIGHT, HEIGHT, LINE_X, PIXELS_PER_SECOND, ROLL_HEIGHT, ROLL_TOP, WIDTH, MovingScore
from worker.render import RenderFailed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for ffmpeg as it is imported; we say that better, and in time
    from pydub import AudioSegment

LONGEST_VIDEO_SECONDS = 139.5  # X takes 140
VIDEO_FADE_SECONDS = 3.0  # of a song that is longer than a video can be
FRAME_RATE = 25
KEYFRAME_SECONDS = 2
AAC = ("-c:a", "aac", "-profile:a", "aac_low", "-b:a", "256k", "-aac_tns", "0")  # with TNS, at 192k, peaks rose 0.7 dB
SECONDS_ALLOWED = 300  # for one file; 10 is usual

# The cheapest preset, with the tools of the High profile switched back on: a fifth less time than superfast, with
# no visible loss on these flat pictures, see benchmarks/sound.md.
X264 = ("-preset", "ultrafast", "-x264-params", "cabac=1:8x8dct=1:deblock=0,0:open-gop=0", "-crf", "22")
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")


class MissingFfmpeg(NeedsOperator):
    """ffmpeg is not installed."""


def encode_cover(cover: Image.Image, path: Path) -> None:
    """Write a picture as PNG.

    Raises:
        CannotWrite
    """
    with writing(path):
        cover.save(path, format="PNG")


def encode_mp3(mix: Mix, cover: Path, tags: Mapping[str, str], path: Path) -> None:
    """Encode a mix as MP3 of the best variable bit rate, tagged, with a picture file as its cover.

    The sound is laid beside `path` on the way.

    Raises:
        MissingFfmpeg, CannotWrite, RenderFailed
    """
    sound = path.with_suffix(".mp3.wav")
    write_sound(mix, sound)
    run_ffmpeg(
        ["-i", sound, "-i", cover, "-map", "0:a", "-map", "1:v", "-c:a", "libmp3lame", "-q:a", "0",
         "-c:v", "mjpeg", "-pix_fmt", "yuvj444p", "-q:v", "3", "-disposition:v", "attached_pic",
         *_metadata(tags), "-metadata:s:v", "title=Album cover", "-metadata:s:v", "comment=Cover (front)",
         "-id3v2_version", "3", "-f", "mp3"], path)  # fmt: skip


def encode_mp4(mix: Mix, picture: MovingScore, tags: Mapping[str, str], path: Path) -> None:
    """Encode a mix as MP4 with the score that moves along: H.264 High and AAC-LC, faded out where it is too long.

    Sound and pictures are laid beside `path` on the way.

    Raises:
        MissingFfmpeg, CannotWrite, RenderFailed
    """
    inputs: list[str | Path] = []
    for name in ("still", "lit", "line", "dim", "progress"):
        inputs += ["-i", path.with_name(f"{name}.png")]
        with writing(path):
            getattr(picture, name).save(path.with_name(f"{name}.png"), compress_level=1)
    sound = path.with_suffix(".mp4.wav")
    seconds = write_sound(mix, sound, LONGEST_VIDEO_SECONDS)
    run_ffmpeg(
        [*inputs, "-i", sound, "-filter_complex", _scroll(seconds), "-map", "[video]", "-map", "5:a",
         "-t", f"{seconds:.3f}", "-c:v", "libx264", "-profile:v", "high", *X264, *BT709, "-pix_fmt", "yuv420p",
         "-g", str(FRAME_RATE * KEYFRAME_SECONDS), *AAC,
         *_metadata(tags), "-movflags", "+faststart", "-f", "mp4"], path)  # fmt: skip


def write_sound(mix: Mix, path: Path, longest_seconds: float = math.inf) -> float:
    """Write a mix as WAV of 32 bits; one that is too long is faded out in time. Returns its length in seconds.

    Raises:
        CannotWrite
    """
    whole = np.clip(mix.sound.astype(np.float64), -1, 1) * (2**31 - 1)
    segment = AudioSegment(whole.astype("<i4").tobytes(), sample_width=4, frame_rate=RATE, channels=2)
    if segment.duration_seconds > longest_seconds:
        segment = segment[: round(longest_seconds * 1000)].fade_out(round(VIDEO_FADE_SECONDS * 1000))
    wave = segment.export(io.BytesIO(), format="wav").getvalue()  # in memory: it complains loudly about a full disk
    with writing(path):
        path.write_bytes(wave)
    return float(segment.duration_seconds)


def _scroll(seconds: float) -> str:
    """The filter: both strips pushed left from frame to frame, the lit one up to the line, the dim one after it.

    Each picture is converted once and then repeated. It moves by an even number of pixels a frame, so that colour,
    which is stored at half the resolution, moves with it.
    """
    step = PIXELS_PER_SECOND // FRAME_RATE
    frames = seconds * FRAME_RATE
    right = WIDTH - LINE_X - 2
    repeat = f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,loop=-1:1:0,setpts=N/{FRAME_RATE}/TB"
    return ";".join([
        f"[0:v]{repeat},fps={FRAME_RATE}[still]",
        f"[1:v]{repeat},crop={LINE_X}:{ROLL_HEIGHT}:n*{step}:0[lit]",
        f"[2:v]{repeat}[line]",
        f"[3:v]{repeat},crop={right}:{ROLL_HEIGHT}:{LINE_X + 2}+n*{step}:0[dim]",
        f"[4:v]{repeat},crop={WIDTH}:{BAR_HEIGHT}:{WIDTH}-min({WIDTH}\\,n*{WIDTH / frames:.6f}):0[progress]",
        "[lit][line][dim]hstack=3[roll]",
        f"[still][roll]overlay=0:{ROLL_TOP}:format=yuv420[rolling]",
        f"[rolling][progress]overlay=0:{HEIGHT - BAR_HEIGHT}:format=yuv420,setsar=1[video]",
    ])


def _metadata(tags: Mapping[str, str]) -> list[str]:
    return [word for name, text in tags.items() for word in ("-metadata", f"{name}={text}")]


def run_ffmpeg(arguments: Sequence[str | Path], path: Path, seconds_allowed: float = SECONDS_ALLOWED) -> None:
    """Run ffmpeg with these arguments and an output path.

    Ctrl-C in a terminal is not for it, as a service finishes its song; killed with -9, we take it with us on Linux.

    Raises:
        MissingFfmpeg: Not on the PATH.
        CannotWrite: No room for what it writes.
        RenderFailed: Any other failure, or it ran past its time.
    """
    program = which("ffmpeg")
    if program is None:
        raise MissingFfmpeg("ffmpeg is not on the PATH; install it (Debian: apt install ffmpeg)")
    tie = ["setpriv", "--pdeathsig", "KILL"] if which("setpriv") else []
    command = [*tie, program, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments, path]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds_allowed, check=False, process_group=0)
    except subprocess.TimeoutExpired as error:
        raise RenderFailed(f"{path.name}: ffmpeg was not done after {seconds_allowed:g} s") from error
    complaint = done.stderr.decode(errors="replace").strip()
    if "No space left on device" in complaint:
        raise CannotWrite(f"{path}: no space left on this disk; make room")
    if done.returncode != 0:
        raise RenderFailed(f"{path.name}: ffmpeg ended with {done.returncode}: {complaint[-200:]!r}")
