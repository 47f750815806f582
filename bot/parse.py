"""From the words of a post to what is asked: `title text /compose [/g genre] [/t tempo] [/r randomness]`, or `/help`.

An answer to a post of ours may say `/again` or `/delete`; `/stop` and `/start` say whether we may answer at all.

It reads as a kind person would:

- flags may also stand before the command, and are then no part of the title;
- a flag takes as many words as make sense of it, the rest is small talk;
- of a flag that is given twice the last counts;
- a second /compose with words of its own is another song, which is left out with its flags;
- /stop anywhere is a stop, and so is the word alone; else /help anywhere asks for help;
- the other commands give way to /compose;
- words that are quoted from somebody else ("> …", "RT @…") ask for nothing;
- /compose inside a path, a URL or a longer word asks for nothing.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise

import regex

from bot import phrases
from bot.fold import Folded, fold, unescape, visible
from bot.guess import JOINED, guess_genre, nearest_genres
from bot.title import COMMANDS, clean, without_mentions
from model.genre import Genre
from model.request import ComposeRequest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag as found in a folded post."""

    name: str  # "g", "t" or "r"; of an unknown one all its letters
    start: int  # of its slash
    value: str  # folded; all up to the next flag
    value_start: int


@dataclass(frozen=True, slots=True)
class Again:
    """The song that this post answers is to be played once more, with flags over its settings."""

    flags: tuple[Flag, ...] = ()


Called = tuple[str, int, int]  # a command in a folded post: name, start and end
Command = Compose | Help | Stop | Start | Delete | Again


LONGEST_READ = 5000  # characters of a post; who writes more does not call the band there, and 25,000 could cost seconds
FLAGS = ("g", "t", "r")
BEFORE_COMPOSE: dict[str, Command] = {"stop": Stop(), "help": Help()}
AFTER_COMPOSE: dict[str, Command] = {"delete": Delete(), "again": Again(), "start": Start()}

# A slash begins a word: not a path, a URL, a date or "and/or". Some scripts put no space before it, nor after a word.
_BEGINS = rf"(?:(?<![\w\p{{M}}.:~=&%#@$+\-/\\])|(?<=[{JOINED}]))"
_ON = rf"(?![{JOINED}])[\w\p{{M}}]"  # what a word goes on with
_NAMES = "genre|g|tempo|t|randomness|r"
_NUMERIC = "tempo|t|randomness|r"
_DIGITS = r"[-+]?[.,]?\d"
_FOLLOWS = rf"(?<={_BEGINS}(?:/(?:{_NUMERIC})[-+]?[\d.,]{{1,9}}(?:bpm|%)?){{1,2}})"  # right after /t160 or /r0.2/t160
_COMMAND = regex.compile(
    rf"{_BEGINS}/(?P<command>{'|'.join(COMMANDS)})(?!{_ON}|[\-\\]|[.?#&=%~+'’][\w/])"
    rf"(?!/(?!(?:{_NAMES})(?:[\s=:{JOINED}]|{_DIGITS})))"
)
_QUOTED_LINE = regex.compile(r"^[^\S\n]*>(?:[>\s]|[@\p{L}]).*$", regex.MULTILINE)  # "> Robots", but not ">_<"
_REPOST = regex.compile(r"\s*[RM]T[\s:]+[@＠]")
_BARE_STOP = regex.compile(r"\W*(?:please )?stop(?: please)?\W*")
_PATH = regex.compile(r"[/.~\\]|\w:[/\\]")
_URL = regex.compile(r"://|www\.|\w\.\w\w")
_FLAG = regex.compile(
    rf"{_BEGINS}/(?P<flag>{_NAMES})(?!{_ON}|[/\-\\])"
    rf"|(?:{_BEGINS}|{_FOLLOWS})/(?P<flag>{_NUMERIC})(?={_DIGITS}[\d.,。]*+(?:bpm|%)?+(?!{_ON}))"  # /t160
    rf"|{_FOLLOWS}/(?P<flag>g)(?=[\p{{L}}\s=:])"  # /t160/gmetal
    rf"|(?<=[\w%])/(?P<flag>{_NUMERIC})(?=[\s=:]++{_DIGITS})"  # metal/t 160
    rf"|(?<=[\d%])/(?P<flag>{_NAMES})(?=[\s=:])"  # 160bpm is not here: 160/g metal
    rf"|{_BEGINS}/(?P<unknown>[^\W\d_][\w-]*+)(?![/\\]|\.\w)"
)
_BARE_FLAG = regex.compile(rf"[-–—]{{1,2}}(?:{_NAMES})(?!{_ON})|(?:{_NAMES})\s*+[=:]")  # --genre rock, tempo=120
_SEPARATOR = regex.compile(r"[\s=:]*+")
_NUMBER = regex.compile(
    r"""[\s"'`“”„«»‹›‘’(\[{<]*+"""
    r"(?P<number>[-–—+]?(?:\d++(?:[.,。]\d*+)?+|[.,]\d++))(?:\s*+(?P<percent>%))?+"
    rf"(?:\s*+bpm(?!{_ON}))?+(?!{_ON}|%|[.,。:'’/+–—-]\d)"
)
_HUGGING = "([{<*`'\"“„«‹‘「『"  # opens right before the command: "(/compose /t 160)"
_AS_FLOAT = str.maketrans(",。–—", "..--")
_FIRST_WORD = regex.compile(r"\s*+\S*+")
_FIRST_WORDS = regex.compile(r"(?:\s*+\S++){0,3}+")


def parse(text: str, genres: Mapping[str, Genre], default_genre: str) -> Command | None:
    """Read one post.

    Returns:
        None when the band was not asked for anything.

    Raises:
        NotUnderstood: A flag without value, a value that is no plain number, a genre that cannot be guessed.
    """
    own_words = _own_words(unescape(text[:LONGEST_READ]))
    if _BARE_STOP.fullmatch(fold(without_mentions(own_words)).text):
        return Stop()
    post = fold(visible(own_words))
    commands = list(_commands(post.text))
    called = {name for name, _, _ in commands}
    other = _other_than_compose(called)
    if isinstance(other, Again):
        again = next(each for each in commands if each[0] == "again")
        return Again(tuple(_flags_around(post.text, again, commands, len(post.text))))
    return other or (_read_compose(post, commands, genres, default_genre) if called else None)


def changed(song: ComposeRequest, flags: Sequence[Flag], genres: Mapping[str, Genre]) -> Compose:
    """A song that was played, with flags over its settings; its genre must be there still.

    Raises:
        NotUnderstood: As `parse` does.
    """
    return _compose(song.title, flags, genres, song.genre, usual_bpm=song.tempo_bpm, usual_randomness=song.randomness)


def _own_words(text: str) -> str:
    """Without what is quoted from somebody else."""
    return "" if _REPOST.match(text) else _QUOTED_LINE.sub("", text)


def _other_than_compose(called: Set[str]) -> Command | None:
    """What is asked for by words other than /compose, and is not outweighed by it."""
    order = BEFORE_COMPOSE if "compose" in called else {**BEFORE_COMPOSE, **AFTER_COMPOSE}
    return next((order[name] for name in order if name in called), None)


def _read_compose(post: Folded, commands: Sequence[Called], genres: Mapping[str, Genre], default_genre: str) -> Compose:
    first = next(index for index, (name, _, _) in enumerate(commands) if name == "compose")
    _, start, end = commands[first]
    over = _start_of_another(post, commands[first:], genres)
    flags = list(_flags_around(post.text, commands[first], commands, over))
    early = [flag for flag in flags if flag.start < start]
    title = clean(_words(post, 0, len(post.text[:start].rstrip(_HUGGING)), early, genres))
    next_to_come = [flag.start for flag in flags[len(early) :]] + [at for _, at, _ in commands[first + 1 :]]
    said_after = post.text[end : min([*next_to_come, over])]
    song = _compose(title, flags, genres, default_genre)
    return replace(
        song,
        remarks=(
            *([phrases.one_song()] if over < len(post.text) else []),
            *song.remarks,
            *([phrases.settings_follow_flags()] if _begins_with_setting(said_after, genres) else []),
            *([phrases.title_goes_first()] if not title and regex.search(r"\p{L}", said_after) else []),
        ),
    )


def _start_of_another(post: Folded, commands: Sequence[Called], genres: Mapping[str, Genre]) -> int:
    """Where a second /compose stands that has words of its own before it; else the end of the post."""
    for (_, _, end), (name, start, _) in pairwise(commands):
        words = _words(post, end, start, list(_flags(post.text, end, start, ())), genres)
        if name == "compose" and regex.search(r"\w", clean(words)):
            return start
    return len(post.text)


def _begins_with_setting(text: str, genres: Mapping[str, Genre]) -> bool:
    """Whether words begin with a genre, a number or a flag without its slash; "heavy" or "4 me" may be small talk."""
    text = text[_SEPARATOR.match(text).end() :]
    genre, number = guess_genre(text, genres), _NUMBER.match(text)
    if genre and (genre.certain or _NUMBER.match(text, genre.length)):
        return True
    return bool(_BARE_FLAG.match(text) or (number and len(number["number"]) > 1))


def _commands(text: str) -> Iterator[Called]:
    """Each command that is not part of a path or a URL."""
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


def _flags_around(text: str, called: Called, commands: Sequence[Called], over: int) -> Iterator[Flag]:
    """The flags of a command: those that we know before it, and all after it."""
    _, start, end = called
    yield from (flag for flag in _flags(text, 0, start, ()) if flag.name in FLAGS)
    yield from _flags(text, end, over, [at for _, at, _ in commands])


def _flags(text: str, start: int, end: int, others: Sequence[int]) -> Iterator[Flag]:
    """The flags between two places of a folded post, known or not, with what follows each, up to other commands."""
    found = [flag for flag in _FLAG.finditer(text[start:end]) if flag["unknown"] not in COMMANDS]
    stops = sorted([*(start + flag.start() for flag in found), *others, end])
    for flag in found:
        after = start + flag.end()
        value_start = _SEPARATOR.match(text, after, end).end()
        value_end = max(value_start, stops[bisect_left(stops, after)])
        yield Flag(
            name=flag["flag"][0] if flag["flag"] else flag["unknown"],
            start=start + flag.start(),
            value=text[value_start:value_end],
            value_start=value_start,
        )


def _words(post: Folded, start: int, end: int, flags: Sequence[Flag], genres: Mapping[str, Genre]) -> str:
    """What was written between two places, without flags and their values."""
    pieces = []
    for flag in flags:
        pieces.append(post.written(start, flag.start))
        start = flag.value_start + _length_of_value(flag, genres)
    return " ".join([*pieces, post.written(start, end)])


def _length_of_value(flag: Flag, genres: Mapping[str, Genre]) -> int:
    """How much of the text after a flag belongs to it."""
    guess = guess_genre(flag.value, genres) if flag.name == "g" else None
    number = _NUMBER.match(flag.value) if flag.name != "g" else None
    if guess:
        return guess.length
    return number.end() if number else len(_first_word(flag))


def _compose(
    title: str,
    flags: Sequence[Flag],
    genres: Mapping[str, Genre],
    usual_genre: str,
    *,
    usual_bpm: float | None = None,
    usual_randomness: float | None = None,
) -> Compose:
    """A song by its flags; what none of them says is as usual, or as the genre has it."""
    given = {flag.name: flag for flag in flags}
    names = [flag.name for flag in flags]
    genre, genre_remarks = _genre(given.get("g"), genres, usual_genre)
    tempo_bpm, tempo_remarks = _tempo_bpm(given.get("t"), genre, usual_bpm)
    randomness, randomness_remarks = _randomness(given.get("r"), genre, usual_randomness)
    unknown = [name for name in given if name not in FLAGS]
    return Compose(
        title=title,
        genre=genre.name,
        tempo_bpm=tempo_bpm,
        randomness=randomness,
        remarks=(
            *genre_remarks,
            *tempo_remarks,
            *randomness_remarks,
            *(phrases.repeated(f"/{name}") for name in FLAGS if names.count(name) > 1),
            *([phrases.unknown_flags(unknown)] if unknown else []),
        ),
    )


def _genre(flag: Flag | None, genres: Mapping[str, Genre], usual: str) -> tuple[Genre, list[str]]:
    if flag is None:
        return genres[usual], []
    guess = guess_genre(flag.value, genres)
    if guess is None:
        read = _FIRST_WORDS.match(flag.value)[0]
        raise NotUnderstood(phrases.no_such_genre(read, nearest_genres(read, genres)))
    remarks = [] if guess.certain else [phrases.took_for(flag.value[: guess.length], guess.genre)]
    return genres[guess.genre], remarks


def _tempo_bpm(flag: Flag | None, genre: Genre, usual: float | None) -> tuple[float, list[str]]:
    number = _number(flag, percent_of=None) if flag else None
    if flag and number is None:
        raise NotUnderstood(phrases.no_tempo(_first_word(flag), genre))
    asked = usual or genre.tempo.default_bpm if number is None else number
    played = min(max(asked, genre.tempo.slowest_bpm), genre.tempo.fastest_bpm)
    return played, [] if played == asked else [phrases.tempo_limited(genre, asked, played)]


def _randomness(flag: Flag | None, genre: Genre, usual: float | None) -> tuple[float, list[str]]:
    if flag is None:
        return genre.randomness if usual is None else usual, []
    asked = _number(flag, percent_of=1)
    if asked is None:
        raise NotUnderstood(phrases.no_randomness(_first_word(flag)))
    played = min(max(asked, 0.0), 1.0)
    return played, [] if played == asked else [phrases.randomness_limited(played)]


def _number(flag: Flag, percent_of: float | None) -> float | None:
    """The plain decimal number that a value begins with, to three places; a percentage only where it makes sense."""
    found = _NUMBER.match(flag.value)
    if not found or (found["percent"] and percent_of is None):
        return None
    number = float(found["number"].translate(_AS_FLOAT))
    return round(number * percent_of / 100 if found["percent"] and percent_of else number, 3) + 0.0


def _first_word(flag: Flag) -> str:
    word: str = _FIRST_WORD.match(flag.value)[0]
    return word
