"""Every sentence that the band says.

Nothing here may hold the word of a command behind a slash: a reply must call no band, ours included.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from bot.title import LONGEST_QUOTATION, clean, graphemes, quote
from model.genre import Genre
from model.request import ComposeRequest
from worker.track import Track

HASHTAG = "#LnHAI"
MOST_GENRES_NAMED = 6
MOST_FLAGS_NAMED = 3

_FIRST_WORDS = (
    "Electric", "Midnight", "Velvet", "Rusty", "Cosmic", "Polite", "Burning", "Clockwork", "Lonesome", "Golden",
    "Feral", "Paper", "Thunder", "Crooked", "Neon", "Wandering", "Granite", "Sleepless", "Borrowed", "Magnetic",
    "Crimson", "Tin", "Furious", "Hollow", "Salty", "Silver", "Runaway", "Patient", "Winter", "Iron", "Secret",
)  # fmt: skip
_SECOND_WORDS = (
    "Robots", "Lanterns", "Wolves", "Satellites", "Pigeons", "Engines", "Umbrellas", "Giants", "Fireflies", "Anvils",
    "Trains", "Ghosts", "Radios", "Volcanoes", "Penguins", "Mirrors", "Hammers", "Comets", "Ravens", "Bicycles",
    "Dragons", "Teapots", "Tides", "Machines", "Gargoyles", "Owls", "Sirens", "Toasters", "Harbours",
)  # fmt: skip
_LAST_WORDS = (
    "", "", "", "at Dawn", "in the Rain", "Forever", "on the Roof", "by the Sea", "Unplugged from Reality", "Rising",
    "under the Ice", "Don't Dance", "out of Tune", "Never Sleep", "on Parade", "in Love", "without a Map",
)  # fmt: skip

Count = Callable[[str], int]


def enjoy(request: ComposeRequest, remarks: Sequence[str], count: Count, max_length: int) -> str:
    """The reply that comes with a track: title and take, then the settings, then remarks."""
    settings = f"{request.genre} · {request.tempo_bpm:g} bpm · r {request.randomness:g}"
    return _fit_titled(_titled(f"Enjoy! {HASHTAG} ", request), [settings, *remarks], count, max_length)


def apology(request: ComposeRequest, count: Count, max_length: int) -> str:
    """The reply when a song could not be made."""
    more = ["That is our fault, not yours. Please ask us again later."]
    return _fit_titled(_titled("Sorry! We could not bring to the stage: ", request), more, count, max_length)


def refusal(message: str, count: Count, max_length: int) -> str:
    """The reply to a request that was not understood."""
    return fit([message], count, max_length)


def help(genres: Mapping[str, Genre], default_genre: str, count: Count, max_length: int) -> str:
    """How to call the band, most useful line first."""
    named = sorted(genres, key=lambda name: (name != default_genre, name))
    ranges = [f"{name} ({_tempo_range(genres[name])})" for name in named]
    usage = (
        "Mention us with a title, then a slash and the word compose. Then, if you like: "
        "/g genre, /t tempo in bpm, /r randomness from 0 (safe) to 1 (wild)."
    )
    genre_lines = [f"Genres: {_first_of(named, kept)}." for kept in range(len(named), 0, -1)]
    lines = [
        usage,
        _longest(genre_lines, lambda line: count(f"{usage}\n{line}"), max_length),
        f"For instance: /g {default_genre} /t {genres[default_genre].tempo.default_bpm:g} /r 0.2",
        "Answer a track with a slash and the word again for its next take, or the word delete to have it taken down. "
        "With the word stop we answer you no more, until the word start.",
        f"Tempos: {'; '.join(ranges)}.",
    ]
    return fit(lines, count, max_length)


def alt_text(request: ComposeRequest, track: Track, genre: str) -> str:
    """The music in words, for those who cannot hear it; a genre by its title."""
    return (
        f"{genre}, {request.tempo_bpm:g} bpm, in {track.musical_key}, {_length(track.seconds)}: "
        f"“{request.title}”, take {request.take}, composed by a machine. You hear {_listing(track.players)}."
    )


def band_title(seed: int) -> str:
    """A title for an untitled post; always the same for a seed."""
    rest, first = divmod(seed, len(_FIRST_WORDS))
    rest, second = divmod(rest, len(_SECOND_WORDS))
    last = _LAST_WORDS[rest % len(_LAST_WORDS)]
    return f"{_FIRST_WORDS[first]} {_SECOND_WORDS[second]} {last}".rstrip()


def fit(lines: Sequence[str], count: Count, max_length: int) -> str:
    """As many of the lines as a network takes, the last dropped first; a first line that is too long is cut."""
    for kept in range(len(lines), 0, -1):
        text = "\n".join(lines[:kept])
        if count(text) <= max_length:
            return text
    return _longest(_shortened(lines[0]), count, max_length)


def in_line(songs: int) -> str:
    """A word to someone who will wait long."""
    return f"We have got your wish, and {songs} songs come before it: it will take a while."


def is_about_line(text: str) -> bool:
    """Whether a post of ours says `in_line`, of whatever length the line was, and not a title that reads like it."""
    begin, end = in_line(-1).split("-1")
    return re.match(rf"\s*(?:@\S+\s+)?{re.escape(begin)}\d+{re.escape(end)}", text) is not None


# What a request was read as: remarks, in the reply from the most to the least telling.


def one_song() -> str:
    """Another song was asked for in the same post."""
    return "One song a post: this is the first."


def took_for(read: str, genre: str) -> str:
    """An alias or a misspelling was understood."""
    return f"We took {quote(read)} for {genre}."


def tempo_limited(genre: Genre, asked: float, played: float) -> str:
    """A tempo that the genre does not play."""
    return f"We play {played:g} bpm: {genre.name} goes no {'faster' if asked > played else 'slower'}."


def randomness_limited(played: float) -> str:
    """A randomness outside 0 to 1."""
    return f"We play with r {played:g}: it goes from 0 (safe) to 1 (wild)."


def repeated(flag: str) -> str:
    """A flag that was given more than once."""
    return f"You wrote {flag} more than once: the last one counts."


def unknown_flags(flags: Sequence[str]) -> str:
    """Flags that nobody knows were left out."""
    named = [clean(f"/{flag}", LONGEST_QUOTATION) for flag in flags[: MOST_FLAGS_NAMED + 1]]
    left_out = _first_of([*named, *flags[len(named) :]], MOST_FLAGS_NAMED)
    return f"We left out {left_out}: we know /g, /t and /r."


def settings_follow_flags() -> str:
    """What looks like settings stood after the command, without flags."""
    return "We read settings after /g, /t and /r only."


def title_goes_first() -> str:
    """Words stood after the command where a title was missing."""
    return "A title goes before the command, so this one is ours."


def late() -> str:
    """It took much longer than we would like."""
    return "Sorry that it took us so long!"


# Refusals: the flag, what was read, what is possible.


def no_such_genre(read: str, nearest: Sequence[str]) -> str:
    """A genre that cannot be guessed, or none after the flag."""
    return f"Sorry, /g wants a genre and we read {_read(read)}. We play {_first_of(nearest, MOST_GENRES_NAMED)}."


def no_tempo(read: str, genre: Genre) -> str:
    """A tempo that is no plain number, or none after the flag."""
    return (
        f"Sorry, /t wants a tempo as a plain number, like /t {genre.tempo.default_bpm:g}, and we read {_read(read)}. "
        f"For {genre.name} it can be {_tempo_range(genre)}."
    )


def no_randomness(read: str) -> str:
    """A randomness that is no plain number, or none after the flag."""
    return f"Sorry, /r wants a plain number from 0 (safe) to 1 (wild), like /r 0.2, and we read {_read(read)}."


# Refusals that are no matter of spelling.


def not_this_one() -> str:
    """Words that we do not repeat; says nothing about them."""
    return "Sorry, we do not play this one."


def enough_for_a_day(songs: int) -> str:
    """Someone has had a day's songs."""
    return f"Thank you! We play {'one song' if songs == 1 else f'{songs} songs'} a day for each; ask us again tomorrow."


def line_is_full() -> str:
    """More people ask than we can play for."""
    return "Sorry, so many are asking just now that we cannot take one more. Please try again later."


def no_track_here() -> str:
    """The next take of nothing that could be named."""
    return "To have a song played once more, please answer the post with its track."


def no_longer_played() -> str:
    """The next take of a song whose genre has gone."""
    return "Sorry, we no longer play that genre."


def not_yours() -> str:
    """A post that someone else asked for, or that is none of ours."""
    return "To have a track taken down, please answer our post with it as the one who asked for it."


def _read(text: str) -> str:
    quoted = quote(text)
    return quoted if len(quoted) > 2 else "nothing after it"


def _tempo_range(genre: Genre) -> str:
    return f"{genre.tempo.slowest_bpm:g} to {genre.tempo.fastest_bpm:g} bpm"


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} seconds"


def _listing(names: Sequence[str]) -> str:
    """In words: "drums, bass and lead guitar"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _first_of(names: Sequence[str], most: int) -> str:
    """In words: "jazz, blues and 4 more"; never one more, which says less than its name."""
    return _listing(names if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"])


def _titled(before: str, request: ComposeRequest) -> list[str]:
    """A line with title and take, and again with the title ever shorter."""
    return [f"{before}{title} – take {request.take}" for title in (request.title, *_shortened(request.title))]


def _fit_titled(first_lines: Sequence[str], more: Sequence[str], count: Count, max_length: int) -> str:
    """The first line whole and as much else as fits, or else the first line with its title cut."""
    if count(first_lines[0]) <= max_length:
        return fit([first_lines[0], *more], count, max_length)
    return _longest(first_lines, count, max_length)


def _longest(candidates: Sequence[str], count: Count, max_length: int) -> str:
    """The first that fits, or else the last."""
    return next((text for text in candidates if count(text) <= max_length), candidates[-1])


def _shortened(text: str) -> list[str]:
    """A text ever shorter, down to "…" alone."""
    letters = graphemes(text)
    return ["".join(letters[:kept]).rstrip() + "…" for kept in range(len(letters) - 1, 0, -1)] + ["…"]
