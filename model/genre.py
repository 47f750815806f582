"""A genre is one TOML file: who plays, how fast, through what, and how freely."""

import dataclasses
import difflib
import math
import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from model.errors import NeedsOperator
from model.score import TIME_SIGNATURES, Role, TimeSignature

GENRES_FOLDER = Path(__file__).resolve().parent.parent / "genres"
SLOWEST_BPM, FASTEST_BPM = 20, 400
MOST_TAKES = 64
COOLEST, HOTTEST = 0.01, 100  # temperatures
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # of a genre, as in /g heavy-metal
PLAYER_RANGES = {
    "longest_loop": (1, math.inf), "program": (0, 127), "pan": (-1, 1), "tone": (-1, 1),
    "gain_db": (-40, 40), "drive_db": (-40, 40), "send_db": (-60, 12),
}  # fmt: skip
WRITTEN = {float: "a number", int: "a whole number", str: "a text in quotes", bool: "true or false", tuple: "a list"}


class BadGenre(NeedsOperator):
    """A genre file cannot be used; the message names the file and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """Quarter notes a minute that the genre can play."""

    slowest_bpm: float
    fastest_bpm: float
    default_bpm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metre:
    """A time signature, and how many of the genre's songs have it."""

    time_signature: TimeSignature
    share: float  # of all songs; those of a genre add up to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Who plays a role, on what, and where they stand."""

    role: Role
    name: str  # as people say it: "lead guitar"
    program: int  # General MIDI, 0 to 127; for drums the kit
    longest_loop: int = 8  # bars in a row that may be played alike; in real songs of this genre few are more
    keeps_register: bool = True  # that of the leader's chart, if the genre has a leader
    gain_db: float = 0.0  # more or less than the role's usual level
    pan: float | None = None  # -1 left to 1 right; this and what follows has a default for each kind of instrument
    takes: Literal[1, 2] | None = None  # 2: played twice, once on the left and once on the right
    amp: Literal["none", "clean", "crunch", "high-gain", "bass"] | None = None
    drive_db: float = 0.0  # more or less than the amp's own
    tone: float = 0.0  # of the amp, -1 dark to 1 bright
    cabinet: Literal["open", "stack", "bass", "none"] | None = None
    send_db: float | None = None  # into the room, to the direct sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """From score to master."""

    soundfont: str = "MuseScore_General_Lite.sf3"  # in soundfonts/, or a path
    loudness_lufs: float = -14.0
    room: Literal["studio", "club", "hall"] = "studio"
    swing: float = 0.5  # where in a beat its second eighth falls; 0.5 is straight, 0.67 a triplet


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Colours of the pictures, as "#rrggbb"."""

    background: str = "#110d16"
    ink: str = "#f5efe6"
    colours: tuple[str, ...] = ("#f5efe6", "#ff4d2e", "#8a6cff", "#ffb52e", "#35c4d7", "#ff7ac0")  # one for each player


@dataclass(frozen=True, slots=True, kw_only=True)
class Freedom:
    """How freely the band samples at one value of randomness; between two rows it is interpolated.

    The temperatures of `rhythm` (positions, durations, drum hits), of `pitch` (pitches, chord shapes) and of
    `structure` (repeats, rests, ends), and the nucleus `top_p`, hold for sampling from the probabilities;
    `noise` is, for sampling from the embedding space, how much of chance is held for a bar: from 0, none, to below 1;
    its square is the share of the variance. The rest is drawn at the temperatures, those of rhythm and pitch cooler by
    that share. `repeats` is a factor on the odds that a part repeats a bar: a band that hears only itself does so more
    often than the songs that it learned from. `same_pitch` is one on the odds that it strikes the pitch that it struck
    last: such a band stays on a note, too, if it has no calibration.
    """

    randomness: float
    rhythm: float
    pitch: float
    structure: float
    top_p: float
    noise: float
    repeats: float = 1.0
    same_pitch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The way of sampling and what `/r` means."""

    method: Literal["probability", "embedding"] = "probability"
    takes: int = 8  # played at once for a song, for the critic to pick one; the time of a song grows with them
    strictness: float = 1.6  # times that the leader's numbers are taken; 1 foretells real songs best, 1.6 was folk's
    freedom: tuple[Freedom, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Genre:
    """Everything that makes a genre, read from `genres/<name>.toml`."""

    name: str  # the file's name, as in /g
    title: str  # as people write it: "Heavy metal"
    aliases: tuple[str, ...] = ()
    weights: str  # weights/<weights>.safetensors
    archives: tuple[str, ...]  # corpora that the model knows as this genre
    tempo: Tempo
    time_signatures: tuple[Metre, ...] = (Metre(time_signature=(4, 4), share=1.0),)  # the most frequent first
    randomness: float = 0.3  # default for /r
    seconds: tuple[float, float] = (45.0, 60.0)  # a track ends on purpose within this time
    players: tuple[Player, ...]
    sound: Sound = field(default_factory=Sound)
    look: Look = field(default_factory=Look)
    sampling: Sampling

    def player(self, role: Role) -> Player:
        """The player of a role.

        Raises:
            KeyError: Nobody in this genre plays it.
        """
        for player in self.players:
            if player.role == role:
                return player
        raise KeyError(role)


def load_genre(path: Path) -> Genre:
    """Read and check one genre file.

    Raises:
        BadGenre: Unreadable, an unknown or missing key, a value or a name that cannot be.
    """
    check_name(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadGenre(f"{path}: cannot be read: {error}") from error
    if "name" in table:
        raise BadGenre(f"{path}: unknown key name; a genre is named by its file")
    genre: Genre = _build(Genre, {**table, "name": path.stem}, path, "")
    _check(genre, path)
    return genre


def check_name(path: Path) -> None:
    """A genre is called as its file, so that it can be asked for in a post.

    Raises:
        BadGenre: This one cannot.
    """
    if path.suffix != ".toml" or not NAME.fullmatch(path.stem):
        raise BadGenre(f"{path}: a genre is called as in /g heavy-metal; name its file like genres/heavy-metal.toml")


def genre_files(folder: Path) -> list[Path]:
    """The genre files of a folder; what a file manager leaves, as ._polka.toml, is none."""
    return sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))


def load_genres(folder: Path = GENRES_FOLDER) -> dict[str, Genre]:
    """All genres of a folder by name.

    Raises:
        BadGenre: One of them is bad, two share an alias, or there is none.
    """
    genres = {path.stem: load_genre(path) for path in genre_files(folder)}
    if not genres:
        raise BadGenre(f"{folder}: no genre file (*.toml) here; restore the folder genres/")
    owners: dict[str, str] = {}
    for genre in genres.values():
        for alias in (genre.name, *genre.aliases):
            owner = owners.setdefault(as_heard(alias), genre.name)
            if owner != genre.name:
                raise BadGenre(f"{folder}: alias {alias!r} is claimed by {owner} and {genre.name}; keep one")
    return genres


def as_heard(name: str) -> str:
    """A genre's name or alias as posts are compared with it: "Death metal" and death-metal are one."""
    return re.sub(r"[\W_]", "", name.casefold())


def find_genre(name: str, folder: Path = GENRES_FOLDER) -> Genre:
    """The genre of a name.

    Raises:
        BadGenre: There is none of that name, or a file of the folder is bad.
    """
    genres = load_genres(folder)
    if name not in genres:
        near = difflib.get_close_matches(name, genres, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(genres)}"
        raise BadGenre(f"{folder}: no genre {name!r}; {hint}")
    return genres[name]


def _build(kind: Any, value: Any, path: Path, where: str) -> Any:
    """A value of a dataclass, tuple, Literal, float, int, str or bool type from what TOML gave."""
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, path, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise BadGenre(f"{path}: {where} has {len(value)} values; give {len(kinds)}")
        pairs = enumerate(zip(kinds, value, strict=True))
        return tuple(_build(each, item, path, f"{where}[{i}]") for i, (each, item) in pairs)
    if origin is Literal:
        if any(type(value) is type(each) and value == each for each in arguments):
            return value
        raise BadGenre(f"{path}: {where} is {value!r}; it can be {', '.join(map(repr, arguments))}")
    if origin in (Union, types.UnionType):
        return _build(arguments[0], value, path, where)
    if kind is float and type(value) in (int, float):
        if not math.isfinite(value):
            raise BadGenre(f"{path}: {where} is {value}; write a plain number")
        return float(value)
    if type(value) is kind:
        return value
    raise BadGenre(f"{path}: {where} is {value!r}; write {WRITTEN[origin or kind]}")


def _build_dataclass(kind: Any, value: Any, path: Path, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise BadGenre(f"{path}: {where} is {value!r}; write a table")
    known = {f.name: f for f in dataclasses.fields(kind)}
    prefix = f"{where}." if where else ""
    for name in value:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise BadGenre(f"{path}: unknown key {prefix}{name}" + (f"; did you mean {near[0]}?" if near else ""))
    hints = get_type_hints(kind)
    for name, each in known.items():
        required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise BadGenre(f"{path}: {prefix}{name} is missing")
    return kind(**{name: _build(hints[name], item, path, f"{prefix}{name}") for name, item in value.items()})


def _check(genre: Genre, path: Path) -> None:
    tempo = genre.tempo
    roles = [player.role for player in genre.players]
    steps = [row.randomness for row in genre.sampling.freedom]
    signatures = [metre.time_signature for metre in genre.time_signatures]
    shares = [metre.share for metre in genre.time_signatures]
    tracks = [player.name.encode("ascii", "replace").strip() for player in genre.players]  # as in a MIDI file
    metres = ", ".join(f"[{beats}, {unit}]" for beats, unit in TIME_SIGNATURES)
    problems = {
        "title is empty; write the genre as people do": not genre.title.strip(),
        f"aliases are {list(genre.aliases)}; give each a letter or a digit": not all(map(as_heard, genre.aliases)),
        "weights is empty; write their name in weights/, as of the genre": not genre.weights.strip(),
        f"tempo is {tempo.slowest_bpm:g} to {tempo.fastest_bpm:g} bpm; put the slower first":
            tempo.slowest_bpm > tempo.fastest_bpm,
        f"tempo is {tempo.slowest_bpm:g} to {tempo.fastest_bpm:g} bpm; stay within {SLOWEST_BPM} to {FASTEST_BPM}":
            tempo.slowest_bpm < SLOWEST_BPM or tempo.fastest_bpm > FASTEST_BPM,
        f"tempo.default_bpm is {tempo.default_bpm:g}; choose it between slowest_bpm and fastest_bpm":
            not tempo.slowest_bpm <= tempo.default_bpm <= tempo.fastest_bpm,
        f"randomness is {genre.randomness:g}; choose it from 0 to 1": not 0 <= genre.randomness <= 1,
        f"seconds is {list(genre.seconds)}; put the shorter first, from 5 to 600":
            not 5 <= genre.seconds[0] <= genre.seconds[1] <= 600,
        f"time_signatures are {[list(signature) for signature in signatures]}; the band plays {metres}":
            not set(signatures) <= set(TIME_SIGNATURES),
        f"time_signatures have the shares {shares}; put the greatest first, and let them add up to 1":
            not shares or min(shares) <= 0 or shares != sorted(shares, reverse=True) or abs(sum(shares) - 1) > 0.001,
        "archives is empty; name the songs that the composer learned as this genre": not genre.archives,
        f"players are {roles}; give each role once, and at least one": not roles or len(set(roles)) < len(roles),
        f"players are called {[player.name for player in genre.players]}; call each otherwise, by the letters a to z":
            not all(tracks) or len(set(tracks)) < len(tracks),
        f"sampling.freedom has randomness {steps}; rise from 0 to 1":
            len(steps) < 2 or steps != sorted(set(steps)) or (steps[0], steps[-1]) != (0, 1),
        f"sampling.takes is {genre.sampling.takes}; choose it from 1 to {MOST_TAKES}":
            not 1 <= genre.sampling.takes <= MOST_TAKES,
        f"sampling.strictness is {genre.sampling.strictness:g}; choose it from 0, no chords, to 4":
            not 0 <= genre.sampling.strictness <= 4,
        f"sound.loudness_lufs is {genre.sound.loudness_lufs:g}; choose it from -30 to -6":
            not -30 <= genre.sound.loudness_lufs <= -6,
        f"sound.swing is {genre.sound.swing:g}; choose it from 0.5, straight, to 0.75":
            not 0.5 <= genre.sound.swing <= 0.75,
        f"look.colours has {len(genre.look.colours)} colours; give one for each of the {len(roles)} players":
            len(genre.look.colours) < len(roles),
    }
    found = [problem for problem, holds in problems.items() if holds]
    for problem in (*found, *_out_of_range(genre), *_no_colours(genre.look)):
        raise BadGenre(f"{path}: {problem}")


def _out_of_range(genre: Genre) -> Iterator[str]:
    """What is wrong with single numbers of players and freedoms, by their place in the file."""
    for index, player in enumerate(genre.players):
        for key, (least, most) in PLAYER_RANGES.items():
            value = getattr(player, key)
            if value is not None and not least <= value <= most:
                allowed = f"from {least} to {most}" if most < math.inf else f"of {least} at least"
                yield f"players[{index}].{key} of the {player.role} is {value:g}; choose one {allowed}"
    for index, row in enumerate(genre.sampling.freedom):
        for key in ("rhythm", "pitch", "structure"):
            if not COOLEST <= (value := getattr(row, key)) <= HOTTEST:
                yield f"sampling.freedom[{index}].{key} is {value:g}; choose one from {COOLEST} to {HOTTEST}"
        for key in ("top_p", "same_pitch", "repeats"):
            if getattr(row, key) <= 0:
                yield f"sampling.freedom[{index}].{key} is {getattr(row, key):g}; choose one above 0"
        if row.top_p > 1:
            yield f"sampling.freedom[{index}].top_p is {row.top_p:g}; choose one of 1 at most"
        if not 0 <= row.noise < 1:
            yield f"sampling.freedom[{index}].noise is {row.noise:g}; choose one from 0 to below 1"


def _no_colours(look: Look) -> Iterator[str]:
    places = {f"colours[{index}]": colour for index, colour in enumerate(look.colours)}
    for place, colour in {"background": look.background, "ink": look.ink, **places}.items():
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
            yield f"look.{place} is {colour!r}; write it as #rrggbb"
