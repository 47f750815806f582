"""Songs to learn from: folders or archives of MIDI files, as tokens with what is known beside each."""

import csv
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model import tokens as t
from model.arrange import arrange
from model.errors import NeedsOperator
from model.midi import BadMidi, read_midi
from model.reader import INPUTS, Reader
from model.score import Role, Score

HELD_OUT_SHARE = 0.15  # of the song groups of a corpus; chosen by the group's hash, the same in every run
SUFFIXES = (".mid", ".midi")
FEWEST_BARS, MOST_NOTES = 8, 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One song as the network sees it."""

    name: str  # file name
    corpus: str
    held_out: bool
    tokens: NDArray[np.int16]  # (n,)
    inputs: NDArray[np.int16]  # (n, len(INPUTS)): known after each token
    bars: NDArray[np.int32]  # index of each BAR token

    @property
    def header(self) -> int:
        """Number of tokens before the first bar."""
        return int(self.bars[0])


class BadCorpus(NeedsOperator):
    """There is no music to learn from; the message says where it was sought."""


def is_held_out(group: str) -> bool:
    """Whether a group of versions of one song is kept for judging."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") < HELD_OUT_SHARE * 2**32


def song_groups(folder: Path) -> dict[str, str]:
    """File name to song group, from INDEX.tsv in the folder or above; empty where there is none."""
    for place in (folder, *folder.parents[:2]):
        if (place / "INDEX.tsv").is_file():
            with (place / "INDEX.tsv").open(encoding="utf-8", newline="") as lines:
                rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
                return {Path(row["member"]).name: row["song_group"] for row in rows}
    return {}


@contextmanager
def midi_files(folder: Path, corpus: str) -> Iterator[list[Path]]:
    """The MIDI files of `<folder>/<corpus>/` or of the archive `<folder>/<corpus>.tar.xz`.

    Raises:
        BadCorpus: Neither is there, the archive is damaged, or it holds no MIDI file.
    """
    archive = folder / f"{corpus}.tar.xz"
    with tempfile.TemporaryDirectory(prefix="lnh-corpus-") as scratch:
        place = folder / corpus
        if not place.is_dir():
            if not archive.is_file():
                raise BadCorpus(f"{folder}: neither {corpus}/ nor {corpus}.tar.xz is here; put the MIDI files there")
            place = Path(scratch)
            _unpack(archive, place)
        files = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise BadCorpus(f"{folder}: no .mid file in {corpus}; put the MIDI files there")
        yield files


def _unpack(archive: Path, folder: Path) -> None:
    """Put the MIDI files of an archive into one folder; Debian 12's Python 3.11.2 has no safe `extractall` yet."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content and Path(member.name).suffix.lower() in SUFFIXES:
                    (folder / Path(member.name).name).write_bytes(content.read())
    except (tarfile.TarError, LZMAError, EOFError) as error:
        raise BadCorpus(f"{archive}: damaged ({error}); fetch it again") from error


def read_scores(files: Sequence[Path], on_file: Callable[[], None] = lambda: None) -> Iterator[tuple[Path, Score]]:
    """Each file that is a song of a band, with its score; damaged and tiny ones are passed over."""
    for path in files:
        try:
            score = read_midi(path)
        except BadMidi:
            continue
        finally:
            on_file()
        notes = sum(len(part.notes) for part in score.parts)
        if len(score.time_signatures) >= FEWEST_BARS and notes <= MOST_NOTES:
            yield path, score


def as_song(score: Score, name: str, corpus: str, roles: Sequence[Role], held_out: bool) -> Song | None:
    """A score as tokens and inputs; None when nobody of `roles` plays in it."""
    score = arrange(score, roles)
    if not any(part.notes for part in score.parts):
        return None
    stream = t.encode(score, corpus)
    reader = Reader(len(score.time_signatures))
    known = np.empty((len(stream), len(INPUTS)), dtype=np.int16)
    for i, token in enumerate(stream):
        reader.push(token)
        known[i] = reader.inputs()
    tokens = np.array(stream, dtype=np.int16)
    bars = np.flatnonzero((tokens >= t.BAR.start) & (tokens < t.BAR.stop)).astype(np.int32)
    return Song(name=name, corpus=corpus, held_out=held_out, tokens=tokens, inputs=known, bars=bars)


def load_corpus(
    folder: Path, corpus: str, roles: Sequence[Role], cache: Path, on_file: Callable[[int], None] = lambda _total: None
) -> list[Song]:
    """Read a corpus, or what an earlier run made of it from the folder `cache`.

    Args:
        folder: Holds `<corpus>/` or `<corpus>.tar.xz`, and INDEX.tsv there or above.
        corpus: One of `tokens.CORPORA`.
        roles: Parts to keep.
        cache: Folder for the arrays; made if missing.
        on_file: Called with the number of files after each.

    Raises:
        BadCorpus: No music here.
    """
    stored = cache / f"{corpus}-{_digest(folder, corpus, roles)}.npz"
    if not stored.is_file():
        songs = _read_corpus(folder, corpus, roles, on_file)
        if not songs:
            raise BadCorpus(f"{folder}: no file of {corpus} is a song of {FEWEST_BARS} bars for {', '.join(roles)}")
        cache.mkdir(parents=True, exist_ok=True)
        _store(songs, stored)
    return _load(stored, corpus)


def _digest(folder: Path, corpus: str, roles: Sequence[Role]) -> str:
    """Changes with the files, the line-up, the vocabulary, and what is known beside a token."""
    place = folder / corpus
    files = sorted(place.rglob("*")) if place.is_dir() else [folder / f"{corpus}.tar.xz"]
    sizes = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
    said = json.dumps([t.FINGERPRINT, INPUTS, list(roles), sizes])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _read_corpus(folder: Path, corpus: str, roles: Sequence[Role], on_file: Callable[[int], None]) -> list[Song]:
    groups = song_groups(folder)
    with midi_files(folder, corpus) as files:
        songs = [
            as_song(score, path.name, corpus, roles, is_held_out(groups.get(path.name, path.stem)))
            for path, score in read_scores(files, lambda: on_file(len(files)))
        ]
    return [song for song in songs if song is not None]


def _store(songs: Sequence[Song], path: Path) -> None:
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        tokens=np.concatenate([song.tokens for song in songs]),
        inputs=np.concatenate([song.inputs for song in songs]),
        lengths=np.array([len(song.tokens) for song in songs]),
        names=np.frombuffer(json.dumps([[song.name, song.held_out] for song in songs]).encode(), dtype=np.uint8),
    )
    partial.replace(path)


def _load(path: Path, corpus: str) -> list[Song]:
    with np.load(path, allow_pickle=False) as stored:
        tokens, inputs, lengths = stored["tokens"], stored["inputs"], stored["lengths"]
        names = json.loads(stored["names"].tobytes())
    ends = np.cumsum(lengths)
    songs = []
    for (name, held_out), begin, end in zip(names, ends - lengths, ends, strict=True):
        own = tokens[begin:end]
        bars = np.flatnonzero((own >= t.BAR.start) & (own < t.BAR.stop)).astype(np.int32)
        songs.append(
            Song(name=name, corpus=corpus, held_out=held_out, tokens=own, inputs=inputs[begin:end], bars=bars)
        )
    return songs
