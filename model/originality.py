"""Nothing stolen: the longest passage that a song shares with the songs it was trained on.

A melody is read as steps: semitones to the next note of the line that one hears, and ticks until it comes, so that a
passage is found again in any key, at any tempo, on any instrument. Drums are left out, for beats are everybody's.
Every window of GRAM notes becomes a hash of 32 bits. Windows of fewer than VARIETY different notes are no melody and do
not count, and a passage that goes round in a loop counts once: what a riff repeats was not copied again.

How much is too much is measured, not set: what nine of ten real songs of the genre share at most with another
one. (The tenth is often a version of the other that goes by another name.)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from model.errors import NeedsOperator, write_whole
from model.features import Columns, Hashes, Integers, columns, cut, mix, voice
from model.score import Score

GRAM = 12  # notes in a window; the shortest passage that can be found
VARIETY = 3  # different notes in a window that is worth remembering
FULL_BAR = 8  # notes; a bar of fewer says little
LONGEST_STEP = 96  # ticks; longer waits between two notes count as this
MOST_ENTRIES = 900_000  # six bytes each, so that an index stays under 6 MB
FORMAT = 2  # of the file; raise it when a hash changes
COMPARED_BARS = 48  # of a real song, for the limit; longer than most that the band plays
COMPARED_SONGS = 600  # at most, for the limit
WITHIN_LIMIT = 90  # percent of the real songs


class BadIndex(NeedsOperator):
    """The file of an index is missing, damaged or of another version."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Index:
    """Which windows of notes occur in which song; entries are sorted by hash."""

    hashes: NDArray[np.uint32]
    songs: NDArray[np.uint16]  # number of the song, in the order given to `build_index`
    thinning: int  # only hashes that this divides are kept
    limit: int  # notes; the longest passage that a song may share with one of these

    def longest_run(self, score: Score, leave_out: Collection[int] = ()) -> int:
        """Notes in the longest passage that is also in one song of the index; 0, or at least GRAM.

        Args:
            score: The song in question.
            leave_out: Numbers of songs not to look at: the song itself, when real songs are compared.
        """
        left_out = np.array(sorted(leave_out), np.int64)
        return max((self._longest_in_part(line, left_out) for line in _lines(score)), default=0)

    def share_known(self, score: Score) -> float | None:
        """Share of a song's passages of GRAM notes that are also in these songs; None when it has none."""
        windows = song_windows(score)
        asked = windows[windows % self.thinning == 0]
        return float(np.isin(asked, self.hashes).mean()) if len(asked) else None

    def _longest_in_part(self, line: Columns, left_out: Integers) -> int:
        grams, worthwhile = _grams(line)
        asked = np.flatnonzero(worthwhile & (grams % self.thinning == 0))
        first = np.searchsorted(self.hashes, grams[asked], side="left")
        counts = np.searchsorted(self.hashes, grams[asked], side="right") - first
        order = np.repeat(np.arange(len(asked)), counts)  # which of the asked windows, for each time it is found
        within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        songs = self.songs[np.repeat(first, counts) + within].astype(np.int64)
        keep = ~np.isin(songs, left_out)
        return _longest(grams, asked, songs[keep], order[keep], GRAM + 8 * (self.thinning - 1))

    def save(self, path: Path) -> None:
        """Write the index as safetensors."""
        about = {"format": str(FORMAT), "gram": str(GRAM), "thinning": str(self.thinning),
                 "limit": str(self.limit)}  # fmt: skip
        write_whole(path, save({"hashes": self.hashes, "songs": self.songs}, metadata=about))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an index that `save` wrote.

        Raises:
            BadIndex: Missing, damaged, or of another version.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                hashes, songs = file.get_tensor("hashes"), file.get_tensor("songs")
        except (OSError, SafetensorError) as error:
            raise BadIndex(f"{path}: no index of training songs: {error}; train the genre again") from error
        if (about.get("format"), about.get("gram")) != (str(FORMAT), str(GRAM)):
            raise BadIndex(f"{path}: an index of format {about.get('format')}, not {FORMAT}; train the genre again")
        sizes = [about.get("thinning", ""), about.get("limit", "")]
        if not all(size.isdecimal() and int(size) > 0 for size in sizes) or not _belong_together(hashes, songs):
            raise BadIndex(f"{path}: its numbers do not belong together; train the genre again")
        return cls(hashes=hashes, songs=songs, thinning=int(sizes[0]), limit=int(sizes[1]))


def index_path(weights: Path) -> Path:
    """Where the index of a weights file's training songs lies: beside it."""
    return weights.with_suffix(".originality.safetensors")


def _belong_together(hashes: NDArray[Any], songs: NDArray[Any]) -> bool:
    kinds = hashes.dtype == np.uint32 and songs.dtype == np.uint16
    return bool(kinds and hashes.ndim == 1 and hashes.shape == songs.shape and (np.diff(hashes.astype(int)) >= 0).all())


def build_index(
    scores: Iterable[Score], groups: Sequence[str] | None = None, most_entries: int = MOST_ENTRIES
) -> Index:
    """Remember every window of notes of these songs, at most 65,536, and measure what they share with each other.

    Above `most_entries`, only the windows whose hash is even stay, then every fourth and so on; a passage is then found
    with its edges off by about so many notes.

    Args:
        scores: The songs.
        groups: Of each song; versions of one share theirs and are not compared. None when each is a song of its own.
        most_entries: Size of the index.
    """
    known = list(scores)
    index = gather_index([song_windows(score) for score in known], most_entries)
    compared = {number: known[number] for number in compared_songs(len(known))}
    return replace(index, limit=measure_limit(index, compared, groups or [str(i) for i in range(len(known))]))


def compared_songs(songs: int) -> range:
    """Numbers of the songs by which a limit is measured: at most COMPARED_SONGS, evenly spread."""
    return range(0, songs, max(-(-songs // COMPARED_SONGS), 1))


def measure_limit(index: Index, scores: Mapping[int, Score], groups: Sequence[str]) -> int:
    """Notes that WITHIN_LIMIT percent of some songs of an index, by number, share at most with one of another group.

    A song is compared by the COMPARED_BARS in its middle, for a longer one shares more by its length alone.
    """
    of_group: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        of_group.setdefault(group, []).append(number)
    runs = [index.longest_run(middle(score), of_group[groups[number]]) for number, score in scores.items()]
    return max(GRAM, int(np.percentile(runs, WITHIN_LIMIT))) if runs else GRAM


def middle(score: Score) -> Score:
    """All that is compared of a real song."""
    return cut(score, max(len(score.time_signatures) - COMPARED_BARS, 0) // 2, COMPARED_BARS)


def song_windows(score: Score) -> NDArray[np.uint32]:
    """The different windows of a song that are worth remembering, as hashes."""
    hashes = [np.zeros(0, np.uint32)]
    for line in _lines(score):
        grams, worthwhile = _grams(line)
        hashes.append(grams[worthwhile])
    return np.unique(np.concatenate(hashes))


def gather_index(windows: Sequence[NDArray[np.uint32]], most_entries: int = MOST_ENTRIES) -> Index:
    """An index of songs from what `song_windows` found in each; its limit is not measured and lets nothing pass."""
    songs = np.repeat(np.arange(len(windows)), [len(each) for each in windows]).astype(np.uint16)
    hashes = np.concatenate([np.zeros(0, np.uint32), *windows])
    thinning = 1
    while np.count_nonzero(hashes % thinning == 0) > most_entries:
        thinning *= 2
    songs, hashes = songs[hashes % thinning == 0], hashes[hashes % thinning == 0]
    order = np.lexsort((songs, hashes))
    return Index(hashes=hashes[order], songs=songs[order], thinning=thinning, limit=GRAM)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """Which full bars occur in which song; sorted by hash."""

    hashes: Hashes
    songs: Integers

    @classmethod
    def of(cls, found: Sequence[Hashes]) -> Self:
        """Gather what `full_bars` found in each song."""
        songs = np.repeat(np.arange(len(found)), [len(bars) for bars in found])
        hashes = np.concatenate([np.zeros(0, np.uint64), *found])
        order = np.lexsort((songs, hashes))
        return cls(hashes=hashes[order], songs=songs[order])

    def share_known(self, score: Score, leave_out: Collection[int] = ()) -> float | None:
        """Share of a song's full bars that are also in these songs; None when it has no full bar."""
        asked = full_bars(score)
        keep = ~np.isin(self.songs, np.array(sorted(leave_out), np.int64))
        return float(np.isin(asked, self.hashes[keep]).mean()) if len(asked) else None


def full_bars(score: Score) -> Hashes:
    """A hash for each bar in which a part plays FULL_BAR notes or more, not all alike; the same in any key."""
    hashes = [np.zeros(0, np.uint64)]
    bar_count = len(score.time_signatures)
    for part in _lines(score):
        lowest = np.full(bar_count, 127)
        np.minimum.at(lowest, part.bars, part.pitches)
        above = part.pitches - lowest[part.bars]
        bars = np.zeros(bar_count, np.uint64)
        np.add.at(bars, part.bars, mix((part.positions * 128 + above).astype(np.uint64)))
        counts = np.bincount(part.bars, minlength=bar_count)
        moves = np.bincount(part.bars, above, minlength=bar_count) > 0
        hashes.append(bars[(counts >= FULL_BAR) & moves])
    return np.concatenate(hashes)


def _lines(score: Score) -> list[Columns]:
    """The pitched parts that are long enough to hold a passage."""
    parts = (columns(part, score) for part in score.parts if part.role != "drums")
    return [part for part in parts if len(part.starts) >= GRAM]


def _grams(part: Columns) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """A hash for every window of GRAM notes of a line, and whether it is worth remembering."""
    starts, pitches = voice(part)
    if len(starts) < GRAM:
        return np.zeros(0, np.uint32), np.zeros(0, np.bool_)
    steps = (np.diff(pitches) + 128) * (LONGEST_STEP + 1) + np.minimum(np.diff(starts), LONGEST_STEP)
    mixed = mix(sliding_window_view(steps.astype(np.uint64), GRAM - 1) * _PLACES)
    windows = np.sort(sliding_window_view(pitches, GRAM), axis=1)
    variety = 1 + (np.diff(windows, axis=1) > 0).sum(1)
    return (mixed.sum(1) >> np.uint64(32)).astype(np.uint32), variety >= VARIETY


_PLACES: Hashes = mix(np.arange(GRAM - 1, dtype=np.uint64)) | np.uint64(1)  # so that the order of steps matters


def _longest(grams: NDArray[np.uint32], asked: Integers, songs: Integers, order: Integers, gap: int) -> int:
    """Notes in the longest run of windows that one song has too.

    Args:
        grams: Every window of the line, shape (windows,).
        asked: Which of them were looked for, rising.
        songs: Where one was found, shape (finds,).
        order: Which of the asked it was, shape (finds,).
        gap: Windows from one find to the next at which a run still goes on.
    """
    by_song = np.lexsort((order, songs))
    songs, order = songs[by_song], order[by_song]
    goes_on = (np.diff(songs) == 0) & (np.diff(order) == 1) & (np.diff(asked[order]) <= gap)
    edges = np.flatnonzero(np.concatenate([[True], ~goes_on, [True]])) if len(songs) else np.zeros(1, np.int64)
    begins, ends = asked[order[edges[:-1]]], asked[order[edges[1:] - 1]] + 1
    longest = 0
    for each in np.argsort(begins - ends):
        begin, end = int(begins[each]), int(ends[each])
        if end - begin + GRAM - 1 <= longest:
            break
        longest = max(longest, len(np.unique(grams[begin:end])) + GRAM - 1)
    return longest
