"""Scores to and from MIDI files.

Reading infers who plays which role, snaps every note to the grid and keeps one tempo; writing goes through
pretty_midi. Reading uses symusic: 0.4 ms a heavy metal file against 99 ms, a median song of the training archive.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from model.casting import Notes, Track, cast_roles, in_order, join_players
from model.genre import Genre
from model.score import (
    DURATIONS,
    ROLES,
    TICKS_PER_BEAT,
    TIME_SIGNATURES,
    Note,
    Part,
    Role,
    Score,
    TimeSignature,
    as_part,
    ticks_per_bar,
)

MOST_BARS = 2000
LONGEST_SONG = MOST_BARS * 8  # beats; arrays are as long as the song
LARGEST_FILE = 10_000_000  # bytes; twenty times the largest of 11,502 songs
MOST_NOTES = 200_000  # of a file
SHORTEST_METRE = 15  # ticks: 5/16; 1/4 is an exporter's 4/4
SMPTE = "time in SMPTE frames, not in beats"

# General MIDI keys of the kit, folded to one key for each sound.
DRUM_KEYS = {
    35: 36, 36: 36, 38: 38, 40: 38, 37: 37, 39: 39, 42: 42, 44: 44, 46: 46, 41: 41, 43: 41, 45: 45, 47: 45,
    48: 48, 50: 48, 49: 49, 57: 49, 52: 52, 55: 55, 51: 51, 59: 51, 53: 53, 56: 56, 54: 54, 69: 54, 70: 54, 82: 54,
}  # fmt: skip

BY_LENGTH = {ticks_per_bar(signature): signature for signature in reversed(TIME_SIGNATURES)}  # ticks to a bar's metre


class BadMidi(ValueError):
    """A file that is no playable MIDI file; the message names it and says why.

    `kind` is the same for all files of one trouble: "damaged, or no MIDI".
    """

    def __init__(self, path: Path, kind: str, details: str = "") -> None:
        super().__init__(f"{path}: {kind}" + (f": {details}" if details else ""))
        self.kind = kind


def read_midi(path: Path, players: Mapping[str, Role] | None = None) -> Score:
    """Read a MIDI file as a score: roles inferred, on the grid, doubled parts merged, leading empty bars dropped.

    Args:
        path: The file.
        players: Roles by the names of a band's players: where all tracks are called so, `write_midi` has written
            them, and nothing is inferred nor merged.

    Raises:
        BadMidi: Not a MIDI file, damaged, without notes, or in a metre that the band does not know.
    """
    raw, tracks = _read_tracks(path)
    end = max(int((track.notes[:, 0]).max()) for track in tracks) + 1
    changes = _changes(raw)
    if foreign := _foreign_metre(changes, end):
        raise BadMidi(path, "in a metre that the band does not play", f"{foreign[0]}/{foreign[1]} most of the time")
    signatures = _time_signatures(changes, end)
    if len(signatures) > MOST_BARS:
        raise BadMidi(path, "too long", f"{len(signatures)} bars; at most {MOST_BARS} are read")
    parts = _parts(_own_roles(tracks, players or {}) or cast_roles(tracks))
    return _without_silence(Score(tempo_bpm=_tempo(raw), time_signatures=signatures, parts=parts))


def read_programs(path: Path) -> dict[Role, int]:
    """General MIDI program of whoever plays each role in a file, for drums the kit.

    Raises:
        BadMidi: As for `read_midi`.
    """
    _, tracks = _read_tracks(path)
    kits = [track for track in tracks if track.is_drum]
    busiest = {"drums": max(kits, key=lambda kit: len(kit.notes)).program} if kits else {}
    others = [track for track in tracks if not track.is_drum]
    return {role: busiest[role] if role in busiest else next(
                (track.program for track in others if track.notes is notes), others[0].program)
            for role, notes in cast_roles(tracks).items()}  # fmt: skip


def _read_tracks(path: Path) -> tuple[Any, list[Track]]:
    """What symusic reads, and its tracks that have notes."""
    import symusic  # noqa: PLC0415  10 MB, and a band that plays reads no files

    try:
        size = path.stat().st_size
        raw: Any = symusic.Score(str(path)) if 0 < size <= LARGEST_FILE else None
    except (RuntimeError, ValueError, OSError) as error:
        raise BadMidi(path, SMPTE if _counts_frames(path) else "damaged, or no MIDI", str(error)) from error
    if not size:
        raise BadMidi(path, "empty")
    if raw is None:
        raise BadMidi(path, "too large", f"{size:,} bytes; at most {LARGEST_FILE:,} are read")
    if raw.ticks_per_quarter <= 0:
        raise BadMidi(path, SMPTE)
    notes = sum(len(track.notes) for track in raw.tracks)
    if notes > MOST_NOTES:
        raise BadMidi(path, "too large", f"{notes:,} notes; at most {MOST_NOTES:,} are read")
    beats = max((int(t.notes.numpy()["time"].max()) for t in raw.tracks if len(t.notes)), default=0)
    beats //= raw.ticks_per_quarter
    if beats > LONGEST_SONG:
        raise BadMidi(path, "too long", f"a note at beat {beats}; at most {LONGEST_SONG} beats are read")
    on_grid = [_on_grid(track, raw.ticks_per_quarter) for track in raw.tracks]
    tracks = join_players([track for track in on_grid if len(track.notes)])
    if not tracks:
        raise BadMidi(path, "no notes")
    return raw, tracks


def _counts_frames(path: Path) -> bool:
    """Whether the head of a file that cannot be read says that its time is in frames of film."""
    try:
        with path.open("rb") as file:
            head = file.read(13)
    except OSError:
        return False
    return head[:4] == b"MThd" and head[12:] >= b"\x80"


def write_midi(score: Score, genre: Genre, path: Path, title: str = "") -> None:
    """Write a score as a MIDI file with the programs of a genre's players; one track a part, named as the player."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=score.tempo_bpm, resolution=TICKS_PER_BEAT * 40)
    previous = None
    for start, signature in zip(score.bar_starts, score.time_signatures, strict=False):
        if signature != previous:
            midi.time_signature_changes.append(pretty_midi.TimeSignature(*signature, start * score.seconds_per_tick))
            previous = signature
    for part in score.parts:
        player = genre.player(part.role)
        track = pretty_midi.Instrument(player.program, is_drum=part.role == "drums", name=_ascii(player.name))
        for note in part.notes:
            begin = note.start * score.seconds_per_tick
            end = (note.start + note.duration) * score.seconds_per_tick
            track.notes.append(pretty_midi.Note(note.velocity, note.pitch, begin, end))
        midi.instruments.append(track)
    if title:
        midi.text_events.append(pretty_midi.Text(_ascii(title), 0.0))
    midi.write(str(path))


def _ascii(text: str) -> str:
    """MIDI files know no other letters."""
    return text.encode("ascii", "replace").decode()


def snap(ticks: NDArray[np.float64]) -> NDArray[np.int64]:
    """Snap times, in ticks with fractions, to sixteenths, triplets or sixteenth triplets, beat by beat."""
    beats = np.floor((ticks + 0.75) / TICKS_PER_BEAT).astype(np.int64)
    if not len(ticks):
        return beats
    beats -= beats.min()
    best = np.rint(ticks / 3) * 3
    error = _mean_by(beats, np.abs(ticks - best))
    for step, gain in ((4, 0.25), (2, 0.35)):
        rival = np.rint(ticks / step) * step
        rival_error = _mean_by(beats, np.abs(ticks - rival))
        better = rival_error < error - gain
        best = np.where(better[beats], rival, best)
        error = np.where(better, rival_error, error)
    return np.asarray(best, dtype=np.int64)


def nearest_duration(ticks: int) -> int:
    """The duration on the grid that is nearest in proportion."""
    return _NEAREST_DURATION[min(max(ticks, 1), len(_NEAREST_DURATION) - 1)]


_NEAREST_DURATION = [1, *(min(DURATIONS, key=lambda d: abs(np.log(d / t))) for t in range(1, 2 * DURATIONS[-1]))]


def _mean_by(group: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.bincount(group, values) / np.maximum(np.bincount(group), 1), dtype=np.float64)


def _on_grid(track: Any, ticks_per_quarter: int) -> Track:
    columns = track.notes.numpy()
    scale = TICKS_PER_BEAT / ticks_per_quarter
    time = columns["time"] * scale
    start = snap(time)
    end = np.rint(time + columns["duration"] * scale).astype(np.int64)
    pitch = columns["pitch"].astype(np.int64)
    if track.is_drum:
        pitch = np.array([DRUM_KEYS.get(int(key), 0) for key in pitch], dtype=np.int64)
        duration = np.full(len(start), 3, dtype=np.int64)
    else:
        duration = np.array([nearest_duration(int(ticks)) for ticks in end - start], dtype=np.int64)
    velocity = np.clip(columns["velocity"].astype(np.int64), 1, 127)
    notes = np.stack([np.maximum(start, 0), pitch, duration, velocity], axis=1)
    notes = in_order(notes[(pitch > 0) & (pitch < 128)])
    return Track(notes=notes, program=track.program, name=track.name, is_drum=track.is_drum)


def _tempo(raw: Any) -> float:
    """The tempo that holds longest, quarter notes a minute."""
    if not len(raw.tempos):
        return 120.0
    times = [tempo.time for tempo in raw.tempos] + [max(raw.end(), raw.tempos[-1].time)]
    spans: dict[float, float] = {}
    for tempo, begin, end in zip(raw.tempos, times, times[1:], strict=False):
        bpm = round(float(tempo.qpm), 1)
        spans[bpm] = spans.get(bpm, 0) + end - begin
    return min(max(max(spans, key=lambda bpm: spans[bpm]), 20.0), 400.0)


def _foreign_metre(changes: Sequence[tuple[int, TimeSignature]], end: int) -> TimeSignature | None:
    """The signature in which most of a song stands, up to `end` ticks, if 4/4 would put it off the beat, as 7/16.

    One that is shorter than SHORTEST_METRE is no metre but what an exporter writes.
    """
    spans: Counter[TimeSignature] = Counter()
    for (begin, signature), (change, _) in pairwise([*changes, (end, (4, 4))]):
        spans[signature] += change - begin
    signature, ticks = spans.most_common(1)[0]
    bar = ticks_per_bar(signature)
    foreign = _same_length(*signature) is None and bar >= SHORTEST_METRE and bar % TICKS_PER_BEAT
    return signature if foreign and 2 * ticks > end else None


def _time_signatures(changes: Sequence[tuple[int, TimeSignature]], end: int) -> tuple[TimeSignature, ...]:
    """One time signature for each bar up to `end` ticks; bars begin where those of the file do, as far as we know such.

    A change of metre begins a bar. What it leaves of the bar before becomes a bar of that length, or a part of the
    next: 1/4 before 4/4 is 5/4.
    """
    known = [(tick, _same_length(*signature) or (4, 4)) for tick, signature in changes]
    bars: list[TimeSignature] = []
    now = 0
    for (_, signature), (change, following) in zip(known, [*known[1:], (end, None)], strict=True):
        while now < change - (following is not None) and len(bars) <= MOST_BARS:
            left, bar = change - now, signature
            if following and left < ticks_per_bar(signature) - 1:
                bar = BY_LENGTH.get(left) or BY_LENGTH.get(left + ticks_per_bar(following)) or signature
            bars.append(bar)
            now += ticks_per_bar(bar)
    return tuple(bars)


def _changes(raw: Any) -> list[tuple[int, TimeSignature]]:
    """Ticks and signature as written where the metre changes, from the first tick on; of two at once the last.

    A damaged signature, whose denominator symusic gives as 0, changes nothing.
    """
    scale = TICKS_PER_BEAT / raw.ticks_per_quarter
    written = [
        (round(each.time * scale), (each.numerator, each.denominator))
        for each in raw.time_signatures if each.denominator
    ]  # fmt: skip
    changes = [(0, (4, 4))]
    for tick, signature in sorted(written, key=lambda change: change[0]):
        if tick <= changes[-1][0]:
            changes[-1] = (changes[-1][0], signature)
        elif signature != changes[-1][1]:
            changes.append((tick, signature))
    return changes


def _same_length(numerator: int, denominator: int) -> TimeSignature | None:
    """The signature itself, or the first that the band knows with bars as long."""
    if (numerator, denominator) in TIME_SIGNATURES:
        return (numerator, denominator)
    same = [known for known in TIME_SIGNATURES if known[0] * denominator == numerator * known[1]]
    return same[0] if same else None


def _own_roles(tracks: list[Track], players: Mapping[str, Role]) -> dict[Role, Notes]:
    """Who plays what in a file that a band wrote, by the names of its players; nothing, if it did not write it."""
    roles = {_ascii(name): role for name, role in players.items()}
    own = {roles[track.name]: track.notes for track in tracks if track.name in roles}
    return own if len(own) == len(tracks) else {}


def _parts(cast: Mapping[Role, Notes]) -> tuple[Part, ...]:
    return tuple(
        as_part(role, (Note(start=int(s), pitch=int(p), duration=int(d), velocity=int(v)) for s, p, d, v in cast[role]))
        for role in ROLES if role in cast
    )  # fmt: skip


def _without_silence(score: Score) -> Score:
    """The score from its first bar with a note."""
    first = min(part.notes[0].start for part in score.parts)
    bar = max(i for i, start in enumerate(score.bar_starts) if start <= first)
    cut = score.bar_starts[bar]
    parts = tuple(
        replace(part, notes=tuple(replace(note, start=note.start - cut) for note in part.notes)) for part in score.parts
    )
    return Score(tempo_bpm=score.tempo_bpm, time_signatures=score.time_signatures[bar:], parts=parts)
