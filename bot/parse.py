"""From the words of a post to what is asked: `title text /compose [/g genre] [/t tempo] [/r randomness]`, or `/help`.

An answer to a post of ours may say `/again` or `/delete`; `/stop` and `/start` say whether we may answer at all.

It reads as a kind person would:

- flags may also stand before the command, and are then no part of the title;
- a flag takes as many words as make sense of it, the rest is small talk;
- of a flag that is given twice the last counts, except that after a second /compose, which belongs to no song of
  ours, flags only fill in what was still missing;
- /stop anywhere is a stop, and so is the word alone; else /help anywhere asks for help;
- the other commands give way to /compose;
- words that are quoted from somebody else ("> …", "RT @…") ask for nothing;
- /compose inside a path, a URL or a longer word asks for nothing.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import regex

from bot import phrases
from bot.fold import Folded, fold, unescape, visible
from bot.guess import guess_genre, nearest_genres
from bot.title import COMMANDS, clean, without_mentions
from model.genre import Genre


class NotUnderstood(Exception):
    """The asker can put it right; the message is the kind reply, safe to post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """A song that someone asked for."""

    title: str  # safe to post, at most 80 graphemes; "" when untitled
    genre: str  # name of a genre file
    tempo_bpm: float  # within the genre's range
    randomness: float  # 0 to 1
    remarks: tuple[str, ...]  # how we read it where that may surprise, most telling first


@dataclass(frozen=True, slots=True)
class Help:
    """Someone asked how to call the band."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Someone wants no answer of ours any more."""


@dataclass(frozen=True, slots=True)
class Start:
    """Someone may be answered, also after a stop."""


@dataclass(frozen=True, slots=True)
class Delete:
    """The post of ours that this one answers is to be taken down."""


@dataclass(frozen=True, slots=True)
class Again:
    """The song that this post answers is to be played once more."""


Command = Compose | Help | Stop | Start | Delete | Again


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flag:
    """A flag as found in a folded post."""

    name: str  # "g", "t" or "r"; of an unknown one all its letters
    start: int  # of its slash
    value: str  # folded; all up to the next flag
    value_start: int
    late: bool  # after a second /compose


FLAGS = ("g", "t", "r")
BEFORE_COMPOSE: dict[str, Command] = {"stop": Stop(), "help": Help()}
AFTER_COMPOSE: dict[str, Command] = {"delete": Delete(), "again": Again(), "start": Start()}

# A slash begins a word: not a path, a URL, a date or "and/or". Some scripts put no space before it.
_BEGINS = (
    r"(?:(?<![\w\p{M}.:~=&%#@$+\-/\\])"
    r"|(?<=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]))"
)
_NAMES = "genre|g|tempo|t|randomness|r"
_NUMERIC = "tempo|t|randomness|r"
_COMMAND = regex.compile(
    rf"{_BEGINS}/(?P<command>{'|'.join(COMMANDS)})(?![\w\p{{M}}\-\\]|[.?#&=%~+'’][\w/])(?!/(?!(?:{_NAMES})[\s=:\d]))"
)
_QUOTED_LINE = regex.compile(r"^[^\S\n]*>(?:[>\s]|[@\p{L}]).*$", regex.MULTILINE)  # "> Robots", but not ">_<"
_REPOST = regex.compile(r"\s*[RM]T[\s:]+[@＠]")
_BARE_STOP = regex.compile(r"\W*(?:please )?stop(?: please)?\W*")
_PATH = regex.compile(r"[/.~\\]|\w:[/\\]")
_URL = regex.compile(r"://|www\.|\w\.\w\w")
_FLAG = regex.compile(
    rf"{_BEGINS}/(?P<flag>{_NAMES})(?![\w\p{{M}}/\-\\])"
    rf"|{_BEGINS}/(?P<flag>{_NUMERIC})(?=[-+]?\d[\d.,]*+(?:bpm|%)?+(?!\w))"  # /t160
    rf"|(?<=[\w%])/(?P<flag>{_NUMERIC})(?=[\s=:]++[-+]?\d)"  # metal/t 160
    rf"|(?<=[\d%])/(?P<flag>{_NAMES})(?=[\s=:])"  # 160bpm is not here: 160/g metal
    rf"|{_BEGINS}/(?P<unknown>[^\W\d_][\w-]*+)(?![/\\]|\.\w)"
)
_SEPARATOR = regex.compile(r"[\s=:]*+")
_NUMBER = regex.compile(
    r"""[\s"'`“”„«»‹›‘’(\[{<]*+"""
    r"(?P<number>[-–—+]?(?:\d++(?:[.,]\d*+)?+|[.,]\d++))(?:\s*+(?P<percent>%))?+(?:\s*+bpm(?!\w))?+"
    r"(?![\w\p{M}%]|[.,:'’/+–—-]\d)"
)
_HUGGING = "([{<*`'\"“„«‹‘「『"  # opens right before the command: "(/compose /t 160)"
_FIRST_WORD = regex.compile(r"\s*+\S*+")
_FIRST_WORDS = regex.compile(r"(?:\s*+\S++){0,3}+")


def parse(text: str, genres: Mapping[str, Genre], default_genre: str) -> Command | None:
    """Read one post.

    Returns:
        None when the band was not asked for anything.

    Raises:
        NotUnderstood: A flag without value, a value that is no plain number, a genre that cannot be guessed.
    """
    own_words = _own_words(unescape(text))
    if _BARE_STOP.fullmatch(fold(without_mentions(own_words)).text):
        return Stop()
    post = fold(visible(own_words))
    commands = list(_commands(post.text))
    called = {name for name, _, _ in commands}
    if other := _other_than_compose(called):
        return other
    return _read_compose(post, commands, genres, default_genre) if called else None


def _own_words(text: str) -> str:
    """Without what is quoted from somebody else."""
    return "" if _REPOST.match(text) else _QUOTED_LINE.sub("", text)


def _other_than_compose(called: Set[str]) -> Command | None:
    """What is asked for by words other than /compose, and is not outweighed by it."""
    order = BEFORE_COMPOSE if "compose" in called else {**BEFORE_COMPOSE, **AFTER_COMPOSE}
    return next((order[name] for name in order if name in called), None)


def _read_compose(
    post: Folded, commands: Sequence[tuple[str, int, int]], genres: Mapping[str, Genre], default_genre: str
) -> Compose:
    first = next(index for index, (name, _, _) in enumerate(commands) if name == "compose")
    _, start, end = commands[first]
    seconds = [second for _, second, _ in commands[first + 1 :]]
    early = [flag for flag in _flags(post.text, 0, start, []) if flag.name in FLAGS]
    after = list(_flags(post.text, end, len(post.text), seconds))
    title = clean(_title(post, len(post.text[:start].rstrip(_HUGGING)), early, genres))
    said_after = post.text[end : min([flag.start for flag in after] + seconds + [len(post.text)])]
    misplaced_title = not title and regex.search(r"\p{L}", said_after) is not None
    return _compose(title, misplaced_title, [*early, *after], genres, default_genre)


def _commands(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each command that is not part of a path or a URL."""
    known = (-1, False)
    for found in _COMMAND.finditer(text):
        word_start = text.rfind(" ", 0, found.start()) + 1
        if word_start != known[0]:
            known = (word_start, _is_address(text, word_start, found.start()))
        if not known[1]:
            yield found["command"], found.start(), found.end()


def _is_address(text: str, start: int, end: int) -> bool:
    """Whether what stands right before a slash begins like a path or holds a URL."""
    return start < end and bool(_PATH.match(text, start, end) or _URL.search(text, start, end))


def _flags(text: str, start: int, end: int, seconds: Sequence[int]) -> Iterator[_Flag]:
    """The flags between two places of a folded post, known or not, with what follows each."""
    found = [flag for flag in _FLAG.finditer(text[start:end]) if flag["unknown"] not in COMMANDS]
    stops = sorted([*(start + flag.start() for flag in found), *seconds, end])
    for flag in found:
        after = start + flag.end()
        value_start = _SEPARATOR.match(text, after, end).end()
        value_end = max(value_start, stops[bisect_left(stops, after)])
        yield _Flag(
            name=flag["flag"][0] if flag["flag"] else flag["unknown"],
            start=start + flag.start(),
            value=text[value_start:value_end],
            value_start=value_start,
            late=bool(seconds) and after > seconds[0],
        )


def _title(post: Folded, end: int, flags: Sequence[_Flag], genres: Mapping[str, Genre]) -> str:
    """What was written before the command, without flags and their values."""
    pieces, start = [], 0
    for flag in flags:
        pieces.append(post.written(start, flag.start))
        start = flag.value_start + _length_of_value(flag, genres)
    return " ".join([*pieces, post.written(start, end)])


def _length_of_value(flag: _Flag, genres: Mapping[str, Genre]) -> int:
    """How much of the text after a flag belongs to it."""
    guess = guess_genre(flag.value, genres) if flag.name == "g" else None
    number = _NUMBER.match(flag.value) if flag.name != "g" else None
    if guess:
        return guess.length
    return number.end() if number else len(_first_word(flag))


def _compose(
    title: str, misplaced_title: bool, flags: Sequence[_Flag], genres: Mapping[str, Genre], default_genre: str
) -> Compose:
    given, repeated = _given(flags)
    genre, genre_remarks = _genre(given.get("g"), genres, default_genre)
    tempo_bpm, tempo_remarks = _tempo_bpm(given.get("t"), genre)
    randomness, randomness_remarks = _randomness(given.get("r"), genre)
    unknown = list(dict.fromkeys(flag.name for flag in flags if flag.name not in FLAGS and not flag.late))
    return Compose(
        title=title,
        genre=genre.name,
        tempo_bpm=tempo_bpm,
        randomness=randomness,
        remarks=(
            *genre_remarks,
            *tempo_remarks,
            *randomness_remarks,
            *(phrases.repeated(f"/{name}") for name in FLAGS if name in repeated),
            *([phrases.unknown_flags(unknown)] if unknown else []),
            *([phrases.title_goes_first()] if misplaced_title else []),
        ),
    )


def _given(flags: Sequence[_Flag]) -> tuple[dict[str, _Flag], set[str]]:
    """The flag that counts for each name, and the names given more than once."""
    given: dict[str, _Flag] = {}
    repeated: set[str] = set()
    for flag in flags:
        if flag.name in given:
            if flag.late:
                continue
            repeated.add(flag.name)
        given[flag.name] = flag
    return given, repeated


def _genre(flag: _Flag | None, genres: Mapping[str, Genre], default: str) -> tuple[Genre, list[str]]:
    if flag is None:
        return genres[default], []
    guess = guess_genre(flag.value, genres)
    if guess is None:
        read = _FIRST_WORDS.match(flag.value)[0]
        raise NotUnderstood(phrases.no_such_genre(read, nearest_genres(read, genres)))
    remarks = [] if guess.certain else [phrases.took_for(flag.value[: guess.length], guess.genre)]
    return genres[guess.genre], remarks


def _tempo_bpm(flag: _Flag | None, genre: Genre) -> tuple[float, list[str]]:
    if flag is None:
        return genre.tempo.default_bpm, []
    asked = _number(flag, percent_of=None)
    if asked is None:
        raise NotUnderstood(phrases.no_tempo(_first_word(flag), genre))
    played = min(max(asked, genre.tempo.slowest_bpm), genre.tempo.fastest_bpm)
    return played, [] if played == asked else [phrases.tempo_limited(genre, asked, played)]


def _randomness(flag: _Flag | None, genre: Genre) -> tuple[float, list[str]]:
    if flag is None:
        return genre.randomness, []
    asked = _number(flag, percent_of=1)
    if asked is None:
        raise NotUnderstood(phrases.no_randomness(_first_word(flag)))
    played = min(max(asked, 0.0), 1.0)
    return played, [] if played == asked else [phrases.randomness_limited(played)]


def _number(flag: _Flag, percent_of: float | None) -> float | None:
    """The plain decimal number that a value begins with, to three places; a percentage only where it makes sense."""
    found = _NUMBER.match(flag.value)
    if not found or (found["percent"] and percent_of is None):
        return None
    number = float(found["number"].replace(",", ".").replace("–", "-").replace("—", "-"))
    return round(number * percent_of / 100 if found["percent"] and percent_of else number, 3) + 0.0


def _first_word(flag: _Flag) -> str:
    word: str = _FIRST_WORD.match(flag.value)[0]
    return word
