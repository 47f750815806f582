"""Reading songs once: files become tokens in several processes, and what was read is kept on a shelf.

A corpus is kept in BUCKETS files, each for the songs whose names fall into it, so that a reading that was interrupted
goes on where it was, and a new song makes only its own bucket be read again.
"""

import hashlib
import io
import json
import multiprocessing
import os
import signal
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.corpus import (
    BadCorpus,
    Song,
    Source,
    as_song,
    files_of,
    held_out_groups,
    named_groups,
    read_index,
    song_of,
)
from model.errors import write_whole, writing
from model.midi import BadMidi, read_midi
from model.originality import song_windows
from model.reader import INPUTS
from model.score import Role, Score
from model.versions import versions

FORMAT = 4  # of a bucket; raise it when what a file becomes changes otherwise than by the vocabulary
BUCKETS = 64
WORTH_PROCESSES = 100  # files; to start a process takes as long as to read some twenty
FEWEST_BARS, FEWEST_NOTES, MOST_NOTES = 8, 32, 60_000  # of a song


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """A file that is not learned from."""

    name: str
    kind: str  # the trouble, in the same words for every file that has it
    why: str  # in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What the files of a source came to."""

    name: str
    songs: tuple[Song, ...]
    paths: tuple[Path, ...]  # of each song
    groups: tuple[str, ...]  # of each song; versions of one share theirs
    windows: tuple[NDArray[np.uint32], ...]  # passages of each song as hashes, for the index of originality
    unused: tuple[Unused, ...]
    licences: dict[str, int]  # number of songs by what INDEX.tsv says; empty without one

    @property
    def learned(self) -> list[Song]:
        """The songs that are not held out."""
        return [song for song in self.songs if not song.held_out]

    @property
    def held_out_groups(self) -> set[str]:
        """Groups that are held out."""
        return {group for song, group in zip(self.songs, self.groups, strict=True) if song.held_out}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What one file came to: a song, or else a trouble."""

    path: Path
    digest: str  # of the file's content
    kind: str = ""
    why: str = ""
    tokens: NDArray[np.int16]
    inputs: NDArray[np.int16]
    windows: NDArray[np.uint32]

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bucket:
    """Some files of a corpus, and where what they came to is kept."""

    place: Path
    files: tuple[Path, ...]
    corpus: str
    roles: tuple[Role, ...]


def load_corpus(
    source: Source, roles: Sequence[Role], cache: Path, processes: int = 1,
    on_files: Callable[[int, int], None] = lambda _read, _all: None,
) -> Corpus:  # fmt: skip
    """Read a source, or what earlier runs made of it from the folder `cache`.

    Args:
        source: Where the files lie, and as what they are learned.
        roles: Parts to keep.
        cache: Folder for what was read; made if missing.
        processes: How many may read at once.
        on_files: Called with the number of files just done and of all files.

    Raises:
        BadCorpus: No music here.
    """
    files = files_of(source, cache)
    buckets = _buckets(source, list(files), roles, cache)
    unread = [bucket for bucket in buckets if not bucket.place.is_file()]
    on_files(len(files) - sum(len(bucket.files) for bucket in unread), len(files))
    for bucket in _read_all(unread, processes):
        on_files(len(bucket.files), len(files))
    readings = sorted((each for bucket in buckets for each in _load(bucket)), key=lambda each: (each.name, each.path))
    corpus = _corpus(source, _without_copies(readings), files)
    if not corpus.songs:
        kinds = ", ".join(sorted({each.kind for each in corpus.unused}))
        raise BadCorpus(f"{source.folder}: no song for {', '.join(roles)} in {len(files)} files ({kinds})")
    return corpus


def _corpus(source: Source, readings: Sequence[_Reading], files: Mapping[Path, Path]) -> Corpus:
    """Who is held out is decided by the group of versions that a song belongs to; `files` are as `files_of` says."""
    good = [each for each in readings if not each.kind]
    index = read_index(source.folder)
    named = named_groups(list(files.values()), {name: row["song_group"] for name, row in index.items()})
    first = versions([each.windows for each in good])
    groups = [
        named[files[(each if each.name in index else good[number]).path]]
        for each, number in zip(good, first, strict=True)
    ]
    kept = held_out_groups(groups)
    licences: dict[str, int] = {}
    for each in good:
        if licence := index.get(each.name, {}).get("licence"):
            licences[licence] = licences.get(licence, 0) + 1
    return Corpus(
        name=source.corpus,
        songs=tuple(
            song_of(each.tokens, each.inputs, each.name, source.corpus, group in kept)
            for each, group in zip(good, groups, strict=True)
        ),
        paths=tuple(each.path for each in good),
        groups=tuple(groups),
        windows=tuple(each.windows for each in good),
        unused=tuple(Unused(name=each.name, kind=each.kind, why=each.why) for each in readings if each.kind),
        licences=licences,
    )


def _without_copies(readings: Sequence[_Reading]) -> list[_Reading]:
    """Files whose content an earlier one has are no songs of their own."""
    first: dict[str, str] = {}
    kept = []
    for each in readings:
        if each.digest in first and not each.kind:
            why = f"{each.name}: the same as {first[each.digest]}"
            kept.append(_no_song(each.path, each.digest, "a copy of another file", why))
        else:
            kept.append(each)
        first.setdefault(each.digest, each.name)
    return kept


# --- one file


def _read_file(path: Path, corpus: str, roles: Sequence[Role]) -> _Reading:
    try:
        score = read_midi(path)
    except BadMidi as error:
        return _no_song(path, _digest_of(path), error.kind, str(error))
    kind = unfit(score)
    song = None if kind else as_song(score, path.name, corpus, roles, held_out=False)
    if song is None:
        kind = kind or "nobody of the line-up plays"
        return _no_song(path, _digest_of(path), kind, f"{path}: {kind}")
    return _Reading(
        path=path, digest=_digest_of(path), tokens=song.tokens, inputs=song.inputs, windows=song_windows(score)
    )


def unfit(score: Score) -> str:
    """Why a score is no song to learn from; empty when it is one."""
    notes = sum(len(part.notes) for part in score.parts)
    reasons = {
        f"shorter than {FEWEST_BARS} bars": len(score.time_signatures) < FEWEST_BARS,
        f"fewer than {FEWEST_NOTES} notes": notes < FEWEST_NOTES,
        f"more than {MOST_NOTES:,} notes": notes > MOST_NOTES,
    }
    return next((reason for reason, found in reasons.items() if found), "")


def _no_song(path: Path, digest: str, kind: str, why: str) -> _Reading:
    nothing = np.zeros(0, np.int16)
    return _Reading(path=path, digest=digest, kind=kind, why=why, tokens=nothing,
                    inputs=np.zeros((0, len(INPUTS)), np.int16), windows=np.zeros(0, np.uint32))  # fmt: skip


def _digest_of(path: Path) -> str:
    """Of a file's content; of one too large to be read, or unreadable, of its name."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 24)
    except OSError:
        head = str(path).encode(errors="surrogateescape")
    return hashlib.sha256(head).hexdigest()[:16]


# --- buckets


def _buckets(source: Source, files: Sequence[Path], roles: Sequence[Role], cache: Path) -> list[_Bucket]:
    """A bucket's name changes with its files, the line-up, the vocabulary, and what is known beside a token."""
    said = json.dumps([FORMAT, t.FINGERPRINT, INPUTS, list(roles), str(source.folder.resolve())])
    shelf = cache / f"{source.corpus}-{_short(said)}"
    by_number: dict[int, list[Path]] = {}
    for path in files:
        by_number.setdefault(zlib.crc32(path.name.encode(errors="surrogateescape")) % BUCKETS, []).append(path)
    return [
        _Bucket(place=shelf / f"{number:02}-{_short(json.dumps(list(map(_identity, own))))}.npz", files=tuple(own),
                corpus=source.corpus, roles=tuple(roles))
        for number, own in sorted(by_number.items())
    ]  # fmt: skip


def _identity(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return path.name, stat.st_size, stat.st_mtime_ns


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_all(buckets: Sequence[_Bucket], processes: int) -> Iterable[_Bucket]:
    """Read the files of every bucket, and yield each when it is kept."""
    if processes == 1 or sum(len(bucket.files) for bucket in buckets) < WORTH_PROCESSES:
        yield from map(_fill, buckets)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_serve)
    try:
        for done in as_completed([pool.submit(_fill, bucket) for bucket in buckets]):
            yield done.result()
    except BrokenProcessPool as error:
        raise BadCorpus("reading MIDI files: a process was killed, perhaps for memory; use fewer --threads") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _serve() -> None:
    """Leave Ctrl-C to the parent, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _fill(bucket: _Bucket) -> _Bucket:
    """Read a bucket's files and keep what they came to, all or nothing; older contents of the bucket go."""
    readings = [_read_file(path, bucket.corpus, bucket.roles) for path in bucket.files]
    place = bucket.place
    rows = [[r.digest, r.kind, r.why, len(r.tokens), len(r.windows)] for r in readings]
    content = io.BytesIO()
    np.savez(
        content,
        tokens=np.concatenate([r.tokens for r in readings]),
        inputs=np.concatenate([r.inputs for r in readings]),
        windows=np.concatenate([r.windows for r in readings]),
        rows=np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8),
    )
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        for older in place.parent.glob(f"{place.name[:3]}*.npz"):
            older.unlink(missing_ok=True)
    write_whole(place, content.getvalue())
    return bucket


def _load(bucket: _Bucket) -> Iterable[_Reading]:
    try:
        with np.load(bucket.place, allow_pickle=False) as stored:
            tokens, inputs, windows = stored["tokens"], stored["inputs"], stored["windows"]
            rows = json.loads(stored["rows"].tobytes())
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadCorpus(f"{bucket.place}: damaged ({error}); delete it, and its songs are read again") from error
    token, window = 0, 0
    for path, (digest, kind, why, token_count, window_count) in zip(bucket.files, rows, strict=True):
        yield _Reading(path=path, digest=digest, kind=kind, why=why, tokens=tokens[token : token + token_count],
                       inputs=inputs[token : token + token_count],
                       windows=windows[window : window + window_count])  # fmt: skip
        token, window = token + token_count, window + window_count
