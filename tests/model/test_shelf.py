"""Files become songs once: what cannot be used is told, what was read is kept, and only what is new is read again."""

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import mido
import numpy as np
import pytest
from scores import make_score

from model import midi, shelf
from model import tokens as t
from model.corpus import BadCorpus, Source, corpus_source, is_held_out, own_sources
from model.genre import Genre
from model.midi import write_midi
from model.reader import decode
from model.score import ROLES, Role
from model.shelf import Corpus, load_corpus

BAND: tuple[Role, ...] = ("drums", "rhythm", "bass", "lead")
KEPT = next(f"group {i}" for i in range(1000) if is_held_out(f"group {i}"))
LEARNED = next(f"group {i}" for i in range(1000) if not is_held_out(f"group {i}"))


@pytest.fixture
def music(tmp_path: Path, genre: Genre) -> Path:
    """Three good songs, two of them versions of one, and what is no music."""
    folder = tmp_path / "music"
    (folder / "folk").mkdir(parents=True)
    for i, name in enumerate(("one.mid", "one again.mid", "other.MID")):
        write_midi(make_score(10, tempo_bpm=120.0 + i), genre, folder / "folk" / name)
    (folder / "folk" / "notes.txt").write_text("no music")
    rows = [("one.mid", KEPT), ("one again.mid", KEPT), ("other.MID", LEARNED)]
    index = "".join(f"folk/{name}\t{group}\tMIT\n" for name, group in rows)
    (folder / "INDEX.tsv").write_text("member\tsong_group\tlicence\n" + index)
    return folder


def load(music: Path, roles: tuple[Role, ...] = BAND, read: list[int] | None = None) -> Corpus:
    """The folk songs; `read` hears how many files were done each time."""
    heard = read if read is not None else []
    source = corpus_source(music, "folk")
    return load_corpus(source, roles, music.parent / "cache", on_files=lambda done, _: heard.append(done))


def buckets(music: Path) -> set[Path]:
    return set((music.parent / "cache").rglob("*.npz"))


def write_track(path: Path, messages: list[mido.Message], ticks_per_beat: int = 480) -> None:
    file = mido.MidiFile(ticks_per_beat=ticks_per_beat)
    file.tracks.append(mido.MidiTrack(messages))
    file.save(path)


def beat(note: int, ticks: int = 480, channel: int = 0) -> list[mido.Message]:
    return [
        mido.Message("note_on", note=note, velocity=90, time=0, channel=channel),
        mido.Message("note_off", note=note, time=ticks, channel=channel),
    ]


def test_versions_of_a_song_are_held_out_together(music: Path):
    corpus = load(music)

    assert {song.name: song.held_out for song in corpus.songs} == {
        "one.mid": True, "one again.mid": True, "other.MID": False
    }  # fmt: skip
    assert corpus.held_out_groups == {KEPT}
    assert corpus.licences == {"MIT": 3}


def test_without_an_index_versions_are_known_by_their_music(music: Path, genre: Genre):
    (music / "INDEX.tsv").unlink()
    write_midi(make_score(10, roles=("drums",)), genre, music / "folk" / "drums.mid")

    corpus = load(music)

    groups = dict(zip((song.name for song in corpus.songs), corpus.groups, strict=True))
    assert groups["one.mid"] == groups["one again.mid"] == groups["other.MID"]
    assert groups["drums.mid"] == "drums"
    assert corpus.licences == {}


def test_songs_of_one_file_name_in_several_folders_are_songs_of_their_own(tmp_path: Path, genre: Genre):
    for i, artist in enumerate(("Abba", "Beck", "Cher")):
        path = tmp_path / "folk" / artist / "song.mid"
        path.parent.mkdir(parents=True)
        write_midi(make_score(10 + i, roles=("drums",)), genre, path)

    assert load(tmp_path).groups == ("Abba/song", "Beck/song", "Cher/song")


def test_who_is_held_out_of_archives_is_who_is_of_the_folders_in_them(tmp_path: Path, genre: Genre):
    # The groups held the size and the time of an archive: after a `touch` other songs were held out.
    songs = tmp_path / "songs"
    for number in range(8):
        path = songs / ("one" if number % 2 else "two") / f"song {number}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(make_score(10, tempo_bpm=80.0 + 20 * number), genre, path)
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in ("one", "two"):
        with tarfile.open(packed / f"{name}.tar.xz", "w:xz") as tar:
            tar.add(songs / name, name)
        os.utime(packed / f"{name}.tar.xz", (1, 1))

    known = [
        [load_corpus(source, BAND, tmp_path / "cache").groups for source in own_sources(folder, "polka", ["folk"])]
        for folder in (songs, packed)
    ]

    assert known[0] == known[1]


def test_what_cannot_be_used_is_told_with_its_reason(music: Path, genre: Genre):
    folk = music / "folk"
    (folk / "empty.mid").touch()
    (folk / "damaged.mid").write_bytes(b"MThd\x00\x00")
    (folk / "the same.mid").write_bytes((folk / "one.mid").read_bytes())
    with (folk / "huge.mid").open("wb") as file:
        file.truncate(100_000_000)
    write_midi(make_score(2), genre, folk / "tiny.mid")
    write_track(folk / "silent.mid", [mido.Message("program_change", program=3)])
    write_track(folk / "one note.mid", beat(60))
    write_track(folk / "few notes.mid", beat(60, 480 * 4) * 9)
    write_track(folk / "long.mid", [mido.Message("note_on", note=60, velocity=9, time=480 * 20_000), *beat(60)])
    smpte = bytearray((folk / "one note.mid").read_bytes())
    smpte[12:14] = b"\xe7\x28"  # 25 frames a second
    (folk / "smpte.mid").write_bytes(smpte)

    corpus = load(music)

    assert {each.name: each.kind for each in corpus.unused} == {
        "empty.mid": "empty",
        "damaged.mid": "damaged, or no MIDI",
        "the same.mid": "a copy of another file",
        "huge.mid": "too large",
        "tiny.mid": "shorter than 8 bars",
        "one note.mid": "shorter than 8 bars",
        "few notes.mid": "fewer than 32 notes",
        "silent.mid": "no notes",
        "long.mid": "too long",
        "smpte.mid": "time in SMPTE frames, not in beats",
    }
    assert len(corpus.songs) == 3


def test_a_million_notes_are_refused_before_they_fill_the_memory(music: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(midi, "_on_grid", lambda *_: pytest.fail("read all the same"))
    write = b"\x00\x90\x3c\x40" + b"\x01\x3c\x00\x00\x3c\x40" * 1_000_000 + b"\x01\x3c\x00\x00\xff\x2f\x00"
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60MTrk" + len(write).to_bytes(4, "big")
    path = music / "folk" / "million.mid"
    path.write_bytes(head + write)

    with pytest.raises(midi.BadMidi, match="1,000,001 notes"):
        midi.read_midi(path)


def test_drums_alone_are_nothing_for_a_band_without_them(music: Path, genre: Genre):
    write_midi(make_score(10, roles=("drums",)), genre, music / "folk" / "drums.mid")

    corpus = load(music, ("rhythm", "bass"))

    assert [(each.name, each.kind) for each in corpus.unused] == [("drums.mid", "nobody of the line-up plays")]


def test_drums_alone_are_learned_as_drums_alone(music: Path, genre: Genre):
    write_midi(make_score(10, roles=("drums",)), genre, music / "folk" / "drums.mid")

    song = next(song for song in load(music).songs if song.name == "drums.mid")

    assert [t.NAMES[token] for token in song.tokens[: song.header]][3:] == ["WITH drums"]


def test_odd_metres_stay_odd(music: Path):
    signature = mido.MetaMessage("time_signature", numerator=7, denominator=8)
    write_track(music / "folk" / "seven.mid", [signature, *beat(40, 240) * 70])

    song = next(song for song in load(music).songs if song.name == "seven.mid")

    assert {t.NAMES[song.tokens[bar]] for bar in song.bars} == {"BAR 7/8"}
    assert len(song.bars) == 10


def test_notes_without_length_last_a_moment(music: Path):
    strike = [mido.Message("note_on", note=64, velocity=90, time=0), mido.Message("note_off", note=64, time=0),
              mido.Message("control_change", control=1, time=480)]  # fmt: skip
    write_track(music / "folk" / "short.mid", strike * 40)

    song = next(song for song in load(music).songs if song.name == "short.mid")

    (part,) = decode(song.tokens.tolist(), 120.0).parts
    assert len(part.notes) == 40
    assert {note.duration for note in part.notes} == {1}


def test_a_corpus_is_read_once(music: Path):
    first = load(music)
    read: list[int] = []

    again = load(music, read=read)

    assert read == [3]  # all at once, from the shelf
    assert (again.groups, again.paths, again.unused) == (first.groups, first.paths, first.unused)
    for song, same in zip(first.songs, again.songs, strict=True):
        assert (song.name, song.corpus, song.held_out) == (same.name, same.corpus, same.held_out)
        for name in ("tokens", "inputs", "bars"):
            np.testing.assert_array_equal(getattr(song, name), getattr(same, name))


def test_only_the_bucket_of_a_new_song_is_read_again(music: Path, genre: Genre):
    load(music)
    before = buckets(music)
    write_midi(make_score(12), genre, music / "folk" / "new.mid")
    read: list[int] = []

    corpus = load(music, read=read)

    assert len(corpus.songs) == 4
    assert read == [3, 1]
    assert len(buckets(music) - before) == 1


def test_a_song_that_changed_is_read_again_and_nothing_old_is_kept(music: Path, genre: Genre):
    load(music)
    before = buckets(music)
    write_midi(make_score(20), genre, music / "folk" / "other.MID")

    corpus = load(music)

    assert max(len(song.bars) for song in corpus.songs) == 20
    assert len(buckets(music)) == len(before)
    assert len(buckets(music) - before) == 1


def test_another_line_up_is_read_anew(music: Path):
    load(music)

    corpus = load(music, ("drums",))

    for song in corpus.songs:
        assert [part.role for part in decode(song.tokens.tolist(), 120.0).parts] == ["drums"]


@pytest.mark.parametrize("left", [-200, 0])
def test_a_damaged_shelf_is_named(music: Path, left: int):
    load(music)
    bucket = min(buckets(music))
    bucket.write_bytes(bucket.read_bytes()[:left])

    with pytest.raises(BadCorpus, match=f"{bucket.name}.*delete it"):
        load(music)


def test_a_folder_of_damaged_files_is_named_with_what_is_wrong(tmp_path: Path):
    (tmp_path / "folk").mkdir()
    (tmp_path / "folk" / "damaged.mid").write_bytes(b"MThd")

    with pytest.raises(BadCorpus, match=r"1 files \(damaged, or no MIDI\)"):
        load(tmp_path)


def test_several_processes_read_the_same_as_one(music: Path, monkeypatch: pytest.MonkeyPatch):
    alone = load(music)
    monkeypatch.setattr(shelf, "WORTH_PROCESSES", 2)

    together = load_corpus(corpus_source(music, "folk"), BAND, music.parent / "other cache", processes=2)

    assert together.groups == alone.groups
    for song, same in zip(alone.songs, together.songs, strict=True):
        np.testing.assert_array_equal(song.inputs, same.inputs)


def test_no_reader_outlives_a_killed_parent(music: Path):
    # A process that waits for work from a parent that was killed would wait for ever.
    script = (
        "import sys, time; from concurrent.futures import ProcessPoolExecutor as Pool;"
        "from multiprocessing import get_context; from os import getpid; from model.shelf import _serve;"
        "pool = Pool(1, mp_context=get_context('spawn'), initializer=_serve);"
        "print(pool.submit(getpid).result(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    reader = next(int(line) for line in parent.stdout if line.strip().isdigit())  # libraries speak on import, too

    parent.kill()
    parent.wait()

    for _ in range(200):
        if not Path(f"/proc/{reader}").exists():
            return
        time.sleep(0.1)
    os.kill(reader, signal.SIGKILL)
    pytest.fail("the reader still waits")


def test_a_source_of_nobodys_files_knows_no_groups(tmp_path: Path, genre: Genre):
    write_midi(make_score(10), genre, tmp_path / "solo.mid")

    corpus = load_corpus(
        Source(corpus="folk", folder=tmp_path, files=(tmp_path / "solo.mid",), archives=()), ROLES, tmp_path / "cache"
    )

    assert corpus.groups == ("solo",)
    assert corpus.held_out_groups == set()
