"""Who plays what in somebody's MIDI file: files name no roles, but register, polyphony, activity and program tell."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from model.score import TICKS_PER_BEAT, Role

SAME_PART = 0.8  # share of common notes above which two tracks double each other
TURNS = 0.05  # share of common beats up to which two tracks of one name are one player's
ONE_VOICE = 1.15  # notes struck together on average below which a track is a melody
HAND_BEATS = 2  # before and after, that tell where the hands part

GUITARS, BASSES = range(24, 32), range(32, 40)
KEYBOARDS = (*range(24), *range(44, 56), *range(88, 104))
ONE_PLAYER = (*range(8), *range(16, 21), 24, 25)  # pianos, harpsichord, organs, guitars as they stand for lutes

Notes = NDArray[np.int64]  # (n, 4): start, pitch, duration, velocity; by start, then pitch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One track of a file on the grid, and what tells its role."""

    notes: Notes
    program: int
    name: str
    is_drum: bool

    @property
    def mean_pitch(self) -> float:
        """MIDI number."""
        return float(self.notes[:, 1].mean())

    @property
    def polyphony(self) -> float:
        """Notes struck together, on average."""
        return len(self.notes) / len(np.unique(self.notes[:, 0]))

    @property
    def activity(self) -> int:
        """Beats in which it strikes a note."""
        return len(np.unique(self.notes[:, 0] // TICKS_PER_BEAT))

    def sings(self) -> bool:
        """Whether its name says so."""
        return re.search(r"vo[ck]al|voice|sing|lyric|\bvox\b", self.name, re.IGNORECASE) is not None


def join_players(tracks: list[Track]) -> list[Track]:
    """With one track for each player: symusic gives one for each program, and players change theirs within a song.

    Those belong together that have the same name and hardly ever play at once; the program is that of most notes. Where
    all have one name, as in a file of one track, it tells nothing.
    """
    if len({track.name for track in tracks}) == 1:
        return tracks
    players: list[list[Track]] = []
    for track in tracks:
        player = next((each for each in players if track.name and all(_takes_turns(track, one) for one in each)), None)
        if player is None:
            players.append([track])
        else:
            player.append(track)
    return [_as_one(pieces) for pieces in players]


def _takes_turns(one: Track, other: Track) -> bool:
    """Whether two tracks of one name strike in hardly any beat together."""
    if one.is_drum or other.is_drum or one.name != other.name:
        return False
    first, second = (np.unique(track.notes[:, 0] // TICKS_PER_BEAT) for track in (one, other))
    return len(np.intersect1d(first, second)) <= TURNS * min(len(first), len(second))


def _as_one(pieces: list[Track]) -> Track:
    most = max(pieces, key=lambda piece: len(piece.notes))
    return replace(most, notes=in_order(np.concatenate([piece.notes for piece in pieces])))


def in_order(notes: Notes) -> Notes:
    """Notes by start, then pitch, without a second one of the same pitch at the same time; the longest stays."""
    notes = notes[np.lexsort((-notes[:, 2], notes[:, 1], notes[:, 0]))]
    again = (np.diff(notes[:, 0], prepend=-1) == 0) & (np.diff(notes[:, 1], prepend=-1) == 0)
    kept: Notes = notes[~again]
    return kept


def cast_roles(tracks: list[Track]) -> dict[Role, Notes]:
    """The notes of each role.

    Of more tracks than roles the busiest are kept; tracks that double another are left out. One or two tracks alone, of
    keyboards or plucked strings, are the hands of one player: the right leads, the left plays the keys.
    """
    cast: dict[Role, Notes] = {}
    kit = [track.notes for track in tracks if track.is_drum]
    if kit:
        cast["drums"] = in_order(np.concatenate(kit))
    left = _without_doubles([track for track in tracks if not track.is_drum])
    if not kit and len(left) <= 2 and all(track.program in ONE_PLAYER and not _may_be_bass(track) for track in left):
        return _hands(left)

    def take(role: Role, candidates: list[Track], score: Callable[[Track], float]) -> None:
        if candidates:
            best = max(candidates, key=score)
            cast[role] = best.notes
            left.remove(best)

    take("bass", [t for t in left if t.program in BASSES] or [t for t in left if _may_be_bass(t)],
         lambda t: t.activity - 8 * max(t.mean_pitch - 45, 0))  # fmt: skip
    guitars = [t for t in left if t.program in GUITARS]
    take("rhythm", guitars, lambda t: t.activity * (0.5 + t.polyphony) * _lowness(t))
    take("lead", [t for t in left if not _accompanies(t)], _leading)
    take("rhythm_2", [t for t in left if t.program in GUITARS], lambda t: t.activity * t.polyphony)
    take("keys", [t for t in left if t.program in KEYBOARDS], lambda t: t.activity * t.polyphony)
    if "lead" not in cast:
        take("lead", left.copy(), lambda t: t.activity / _lowness(t))
    return cast


def _hands(tracks: list[Track]) -> dict[Role, Notes]:
    """The higher of two tracks is the right hand; one track of several voices is split beat by beat in its middle."""
    if len(tracks) == 2:
        left, right = sorted(tracks, key=lambda track: track.mean_pitch)
        return {"lead": right.notes, "keys": left.notes}
    (track,) = tracks
    if track.polyphony < ONE_VOICE:
        return {"lead": track.notes}
    beats, pitches = track.notes[:, 0] // TICKS_PER_BEAT, track.notes[:, 1]
    low, high = np.full(beats.max() + 1, 128), np.full(beats.max() + 1, -1)
    np.minimum.at(low, beats, pitches)
    np.maximum.at(high, beats, pitches)
    width = 2 * HAND_BEATS + 1
    middle = (minimum_filter1d(low, width) + maximum_filter1d(high, width)) / 2
    is_right = pitches >= middle[beats]
    return {"lead": track.notes[is_right], "keys": track.notes[~is_right]}


def _leading(track: Track) -> float:
    return track.activity * (0.2 if track.sings() else 1) * (2 if track.program in GUITARS else 1) / _lowness(track)


def _lowness(track: Track) -> float:
    """1 around middle C, doubled for an octave lower."""
    return float(2 ** ((60 - track.mean_pitch) / 12))


def _may_be_bass(track: Track) -> bool:
    return track.mean_pitch < 46 and track.polyphony < 1.3


def _accompanies(track: Track) -> bool:
    return track.program in KEYBOARDS and track.polyphony > 1.5


def _without_doubles(tracks: list[Track]) -> list[Track]:
    """The tracks, busiest first, without those that mostly play what an earlier one plays."""
    kept: list[tuple[Track, set[tuple[int, int]]]] = []
    for track in sorted(tracks, key=lambda t: -len(t.notes)):
        strikes = {(start, pitch) for start, pitch in track.notes[:, :2].tolist()}
        if not any(len(strikes & other) >= SAME_PART * len(strikes) for _, other in kept):
            kept.append((track, strikes))
    return [track for track, _ in kept]
