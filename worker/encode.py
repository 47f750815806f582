"""From a mix to files that networks take: MP3 with tags and cover, MP4 with the moving score."""

import fcntl
import io
import signal
import subprocess
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import CannotWrite, NeedsOperator, writing
from worker.mix import Mix
from worker.perform import RATE
from worker.render import RenderFailed
from worker.video import FRAME_RATE, HEIGHT, WIDTH, MovingScore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for ffmpeg as it is imported; we say that better, and in time
    from pydub import AudioSegment

LONGEST_VIDEO_SECONDS = 139.5  # X takes 140
VIDEO_FADE_SECONDS = 3.0  # of a song that is longer than a video can be
KEYFRAME_SECONDS = 2
THREADS = "1"  # of x264; two cost a few per cent more. Fixed, so that the same song gives the same file
PIPE_BYTES = 2**18  # four times the usual: ffmpeg and we take turns less often for a frame of 1.4 MB
# Peaks rose 0.7 dB with temporal noise shaping, at 192k; the fast coder takes half the time.
AAC = ("-c:a", "aac", "-profile:a", "aac_low", "-b:a", "256k", "-aac_coder", "fast", "-aac_tns", "0")
SECONDS_ALLOWED = 300  # for one file; 10 is usual

# The cheapest preset, with 8×8 transforms, which make it the High profile, and deblocking switched back on, and a
# fixed quantiser, which needs no look-ahead: no visible loss on these flat pictures, see benchmarks/picture.md.
X264 = ("-preset", "ultrafast", "-x264-params", "8x8dct=1:deblock=0,0:open-gop=0", "-qp", "22")
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
        ["-i", sound, "-f", "image2", "-pattern_type", "none", "-i", cover,  # `100%done` is a name, and no pattern
         "-map", "0:a", "-map", "1:v", "-c:a", "libmp3lame", "-q:a", "0",
         "-c:v", "mjpeg", "-pix_fmt", "yuvj444p", "-q:v", "3", "-disposition:v", "attached_pic",
         *_metadata(tags), "-metadata:s:v", "title=Album cover", "-metadata:s:v", "comment=Cover (front)",
         "-id3v2_version", "3", "-f", "mp3"], path)  # fmt: skip


def encode_mp4(mix: Mix, picture: MovingScore, tags: Mapping[str, str], path: Path) -> None:
    """Encode a mix as MP4 with the score that moves along: H.264 High and AAC-LC.

    The sound is laid beside `path` on the way; the pictures go straight into ffmpeg.

    Raises:
        MissingFfmpeg, CannotWrite, RenderFailed
    """
    sound = path.with_suffix(".mp4.wav")
    seconds = write_sound(mix, sound)
    frames = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FRAME_RATE)]
    run_ffmpeg(
        [*frames, "-i", "-", "-i", sound, "-map", "0:v", "-map", "1:a", "-t", f"{seconds:.3f}",
         "-c:v", "libx264", "-profile:v", "high", *X264, *BT709, "-aspect", "16:9",
         "-threads", THREADS, "-g", str(FRAME_RATE * KEYFRAME_SECONDS), *AAC,
         *_metadata(tags), "-movflags", "+faststart", "-f", "mp4"],
        path, feed=(plane for frame in picture.play() for plane in frame))  # fmt: skip


def cut_for_video(mix: Mix) -> Mix:
    """A mix as a video takes it: one that is too long is faded out in time."""
    frames, fade = round(LONGEST_VIDEO_SECONDS * RATE), round(VIDEO_FADE_SECONDS * RATE)
    if len(mix.sound) <= frames:
        return mix
    sound = mix.sound[:frames].copy()
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return Mix(sound=sound)


def write_sound(mix: Mix, path: Path) -> float:
    """Write a mix as WAV of 32 bits. Returns its length in seconds.

    Raises:
        CannotWrite
    """
    whole = np.empty(mix.sound.shape, "<i4")
    np.multiply(np.clip(mix.sound, -1, 1), 2**31 - 1, out=whole, dtype=np.float64, casting="unsafe")
    segment = AudioSegment(whole.tobytes(), sample_width=4, frame_rate=RATE, channels=2)
    del whole  # 20 MB a minute, and there are two more copies yet to come
    wave = segment.export(io.BytesIO(), format="wav").getbuffer()  # in memory: it complains loudly about a full disk
    with writing(path):
        path.write_bytes(wave)
    return float(segment.duration_seconds)


def _metadata(tags: Mapping[str, str]) -> list[str]:
    return [word for name, text in tags.items() for word in ("-metadata", f"{name}={text}")]


def run_ffmpeg(
    arguments: Sequence[str | Path],
    path: Path,
    *,
    feed: Iterable[NDArray[np.uint8]] = (),
    seconds_allowed: float = SECONDS_ALLOWED,
) -> None:
    """Run ffmpeg with these arguments, what it reads from its standard input, and an output path.

    Ctrl-C in a terminal is not for it, as a service finishes its song; killed with -9, we take it with us on Linux.
    What it wrote before it failed is removed.

    Raises:
        MissingFfmpeg: Not on the PATH.
        CannotWrite: No room for what it writes, or no leave to write so much.
        RenderFailed: Any other failure, or it ran past its time.
    """
    program = which("ffmpeg")
    if program is None:
        raise MissingFfmpeg("ffmpeg is not on the PATH; install it (Debian: apt install ffmpeg)")
    tie = ["setpriv", "--pdeathsig", "KILL"] if which("setpriv") else []
    command = [*tie, program, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments, path]
    with _removed_on_failure(path):
        returned, complaint, in_time = _run(command, feed, seconds_allowed)
        if not in_time:
            raise RenderFailed(f"{path.name}: ffmpeg was not done after {seconds_allowed:g} s")
        if "No space left on device" in complaint:
            raise CannotWrite(f"{path}: no space left on this disk; make room")
        if returned == -signal.SIGXFSZ:
            raise CannotWrite(f"{path}: files may not grow as large; raise the limit (ulimit -f)")
        if returned != 0:
            raise RenderFailed(f"{path.name}: ffmpeg ended with {returned}: {complaint[-200:]!r}")


def _run(
    command: Sequence[str | Path], feed: Iterable[NDArray[np.uint8]], seconds_allowed: float
) -> tuple[int, str, bool]:
    """What a program returned, what it complained of, and whether it ended in time and not by our hand."""
    late = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0) as process:
        stdin, stderr = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stderr)

        def give_up() -> None:
            late.set()
            process.kill()

        with suppress(OSError):  # then it stays as it is
            fcntl.fcntl(stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        watch = threading.Timer(seconds_allowed, give_up)
        watch.start()
        try:
            with suppress(BrokenPipeError), stdin:  # when it ends early, its complaint tells why
                for piece in feed:
                    stdin.write(piece.data)
            complaint = stderr.read().decode(errors="replace").strip()
            return process.wait(), complaint, not late.is_set()
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
