"""Whether this machine can be the studio. `python -m worker.check` says so in JSON lines, for a bot without torch."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from ctypes.util import find_library
from functools import partial

from model.band import Band
from model.errors import NeedsOperator
from model.genre import Genre, load_genres
from worker.render import find_soundfont

Check = Callable[[], str]  # what was found; raises NeedsOperator


def find_programs() -> str:
    """FluidSynth, ffmpeg and ffprobe.

    Raises:
        NeedsOperator: One of them is not installed.
    """
    library = find_library("fluidsynth")
    if library is None:
        raise NeedsOperator("libfluidsynth is not on this machine; install it (Debian: apt install libfluidsynth3)")
    return ", ".join([library, _find_on_path("ffmpeg"), _find_on_path("ffprobe")])


def _find_on_path(program: str) -> str:
    """Where a program of ffmpeg's lies."""
    path = shutil.which(program)
    if path is None:
        raise NeedsOperator(f"{program} is not on the PATH; install it (Debian: apt install ffmpeg)")
    return path


def find_soundfonts(genres: Mapping[str, Genre]) -> str:
    """The soundfonts of all genres.

    Raises:
        NeedsOperator: One is missing or damaged.
    """
    return ", ".join(sorted({find_soundfont(genre.sound.soundfont).name for genre in genres.values()}))


def studio_checks() -> Iterator[tuple[str, Check]]:
    """What to check, and how."""
    yield "genres", lambda: ", ".join(load_genres())
    yield "programs", find_programs
    yield "soundfonts", lambda: find_soundfonts(load_genres())
    try:
        genres = load_genres()
    except NeedsOperator:  # said above
        return
    for genre in genres.values():
        yield f"band {genre.name}", partial(_meet, genre)


def _meet(genre: Genre) -> str:
    band = Band.load(genre)
    parameters = sum(parameter.numel() for parameter in band.network.parameters())
    return f"{genre.weights}, fingerprint {band.fingerprint[:12]}, {parameters / 1e6:.1f} million parameters"


def main() -> None:
    """Print the findings."""
    for what, check in studio_checks():
        try:
            found, sound = check(), True
        except NeedsOperator as error:
            found, sound = str(error), False
        print(json.dumps({"what": what, "found": found, "sound": sound}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
