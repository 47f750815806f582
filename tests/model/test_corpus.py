"""Songs to learn from are found in folders and archives, and some of them are held out."""

import errno
import io
import lzma
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scores import make_score

from model import tokens as t
from model.corpus import (
    FEWEST_HELD_OUT,
    HELD_OUT_SHARE,
    BadCorpus,
    as_song,
    corpus_source,
    files_of,
    held_out_groups,
    is_held_out,
    named_groups,
    new_sources,
    own_sources,
    song_groups,
)
from model.reader import INPUTS
from model.score import Role

BAND: tuple[Role, ...] = ("drums", "rhythm", "bass", "lead")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a genre and of two corpora, by name only."""
    for name in ("loose.mid", "deep/er/loose.MIDI", "rock/one.mid", "jazz/two.mid", "notes.txt"):
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "music"


def names(files: Iterable[Path]) -> set[str]:
    return {path.name for path in files}


def make_archive(path: Path, *members: str) -> None:
    with tarfile.open(path, "w:xz") as tar:
        for name in members:
            content = f"MIDI of {name}".encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_song_is_tokens_with_what_is_known_beside_each():
    song = as_song(make_score(6), "polka.mid", "folk", BAND, held_out=False)

    assert song is not None
    assert song.tokens.tolist() == t.encode(make_score(6), "folk")
    assert song.inputs.shape == (len(song.tokens), len(INPUTS))
    assert [t.NAMES[song.tokens[bar]] for bar in song.bars] == ["BAR 4/4"] * 6
    assert song.header == 3 + len(BAND)


def test_a_song_in_which_none_of_the_players_plays_is_no_song_of_theirs():
    assert as_song(make_score(8, roles=("keys",)), "solo.mid", "folk", BAND, held_out=False) is None


def test_who_is_held_out_never_changes():
    # Weights in use were judged by songs that they had not learned; another choice would leak them into the next run.
    kept = [name for name in map(str, range(60)) if is_held_out(name)]

    assert kept == ["9", "39", "46", "49", "50", "51", "55"]


def test_about_the_asked_share_is_held_out():
    share = np.mean([is_held_out(f"song {i}") for i in range(4000)])

    assert abs(share - HELD_OUT_SHARE) < 0.015


def test_of_a_small_folder_a_few_songs_are_held_out_whatever_chance_says():
    unlucky = [name for name in map(str, range(200)) if not is_held_out(name)][:30]

    kept = held_out_groups(unlucky)

    assert len(kept) == FEWEST_HELD_OUT
    assert kept == held_out_groups(unlucky[::-1])


def test_of_four_songs_all_are_learned():
    assert held_out_groups(["1", "2", "3", "4"]) == set()


def test_a_corpus_is_a_folder_or_an_archive_of_its_name(folder: Path, tmp_path: Path):
    make_archive(folder / "folk.tar.xz", "folk/reel.mid", "folk/notes.txt")

    rock, folk = corpus_source(folder, "rock"), corpus_source(folder, "folk")

    assert names(files_of(rock, tmp_path)) == {"one.mid"}
    assert names(files_of(folk, tmp_path)) == {"reel.mid"}


def test_a_genres_own_songs_are_in_the_folder_of_its_name(folder: Path):
    (folder / "polka").mkdir()
    (folder / "polka" / "oompah.mid").touch()

    (source,) = own_sources(folder, "polka", ["rock"])

    assert source.corpus == "rock"
    assert names(list(source.files)) == {"oompah.mid"}


def test_without_one_they_are_in_those_of_its_archives(folder: Path):
    sources = own_sources(folder, "fusion", ["rock", "jazz", "reggae"])

    found = {source.corpus: names(list(source.files)) for source in sources}
    assert found == {"rock": {"one.mid"}, "jazz": {"two.mid"}}


def test_without_these_all_that_lies_loose_is_the_genres_own(folder: Path, tmp_path: Path):
    make_archive(folder / "sent by a friend.tar.xz", "gift.mid")
    make_archive(folder / "reggae.tar.xz", "riddim.mid")

    (source,) = own_sources(folder, "polka", ["folk"])

    assert source.corpus == "folk"
    assert names(files_of(source, tmp_path)) == {"loose.mid", "loose.MIDI", "gift.mid"}


def test_the_songs_of_a_new_genre_are_found_again_whatever_it_is_learned_as(folder: Path):
    (folder / "polka" / "jazz").mkdir(parents=True)
    (folder / "polka" / "jazz" / "oompah.mid").touch()

    (new,) = new_sources(folder, "polka", "other-band")

    assert names(list(new.files)) == {"oompah.mid"}
    for corpus in ("other-band", "jazz", "folk"):
        assert [source.files for source in own_sources(folder, "polka", [corpus])] == [new.files]


def test_whether_a_folder_named_as_a_corpus_is_belongs_to_a_new_genre_is_not_guessed(folder: Path):
    # A genre was written from the songs beside jazz/, was to be learned as jazz, and learned from jazz/ alone.
    with pytest.raises(BadCorpus, match="holds jazz, rock, named as other music is; put all songs of polka into"):
        new_sources(folder, "polka", "other-band")


def test_a_folder_with_nothing_but_other_music_is_not_called_empty(tmp_path: Path):
    for name in ("folk/one.mid", "jazz/two.mid"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    with pytest.raises(BadCorpus, match="holds folk, jazz, named as other music is"):
        own_sources(tmp_path, "polka", ["rock"])


def test_nothing_falls_out_of_an_archive_and_no_name_is_lost(tmp_path: Path):
    (tmp_path / "music").mkdir()
    members = ("../../../out.mid", "/a/b.mid", "c/b.mid")
    make_archive(tmp_path / "music" / "folk.tar.xz", *members)

    files = files_of(corpus_source(tmp_path / "music", "folk"), tmp_path / "cache")

    assert sorted(path.name for path in files) == ["b.mid", "b.mid", "out.mid"]
    assert {path.read_text() for path in files} == {f"MIDI of {name}" for name in members}
    assert all(path.is_relative_to(tmp_path / "cache") for path in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "music"]


def test_an_archive_is_unpacked_once(tmp_path: Path):
    make_archive(tmp_path / "folk.tar.xz", "reel.mid")
    source = corpus_source(tmp_path, "folk")
    (first,) = files_of(source, tmp_path / "cache")
    first.write_text("still here")

    (again,) = files_of(source, tmp_path / "cache")

    assert again.read_text() == "still here"
    assert [path.name for path in (tmp_path / "cache" / "unpacked").iterdir()] == [again.parent.name]


def test_what_a_killed_run_left_of_an_archive_is_cleared(tmp_path: Path):
    make_archive(tmp_path / "folk.tar.xz", "reel.mid")
    (tmp_path / "cache" / "unpacked" / "partial-killed" / "midi").mkdir(parents=True)

    (file,) = files_of(corpus_source(tmp_path, "folk"), tmp_path / "cache")

    assert [path.name for path in (tmp_path / "cache" / "unpacked").iterdir()] == [file.parent.name]


def test_the_songs_of_an_archive_are_known_as_if_it_were_a_folder(tmp_path: Path):
    # They were known by what the cache called its folder: a `touch` of an archive held out other songs.
    for name in ("one", "two"):
        make_archive(tmp_path / f"{name}.tar.xz", f"{name}/reel.mid", f"{name}/jig.mid")
    os.utime(tmp_path / "one.tar.xz", (1, 1))

    (source,) = own_sources(tmp_path, "polka", ["folk"])

    groups = named_groups(list(files_of(source, tmp_path / "cache").values()), {})
    assert set(groups.values()) == {"one/reel", "one/jig", "two/reel", "two/jig"}


@pytest.mark.parametrize(
    ("place", "refused"),
    [("rock/one.mid", (Path, "stat")), ("folk.tar.xz", (tarfile, "open")), ("INDEX.tsv", (Path, "open"))],
)
def test_what_may_not_be_read_is_named_with_what_to_do(
    folder: Path, tmp_path: Path, place: str, refused: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
):
    make_archive(folder / "folk.tar.xz", "reel.mid")
    (folder / "INDEX.tsv").write_text("member\tsong_group\n")
    real = getattr(*refused)

    def refuse(path: Path, *rest: Any, **options: Any) -> Any:
        if path == folder / place:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(*refused, refuse)  # root, as whom tests may run, is never refused

    with pytest.raises(BadCorpus, match=f"{folder / place}: this user may not read it; mend the rights"):
        for corpus in ("rock", "folk"):
            files_of(corpus_source(folder, corpus), tmp_path / "cache")
        song_groups(folder)


def test_without_an_index_no_song_is_known(folder: Path):
    assert song_groups(folder) == {}


def test_the_index_is_found_above_the_folder(folder: Path):
    (folder / "INDEX.tsv").write_text("member\tsong_group\nrock/one.mid\tthe one\nrock/other.mid\t\n")

    assert song_groups(folder / "rock") == {"one.mid": "the one", "other.mid": "rock/other.mid"}


@pytest.mark.parametrize("here", [".", "..", "../rock"])
def test_the_index_is_found_from_within_the_folder(folder: Path, here: str, monkeypatch: pytest.MonkeyPatch):
    (folder.parent / "INDEX.tsv").write_text("member\tsong_group\none.mid\tthe one\n")
    monkeypatch.chdir(folder / "rock")

    assert song_groups(Path(here)) == {"one.mid": "the one"}


def test_an_index_that_a_spreadsheet_wrote_is_read(folder: Path):
    (folder / "INDEX.tsv").write_text("member\tsong_group\none.mid\tthe one\n", encoding="utf-8-sig")

    assert song_groups(folder) == {"one.mid": "the one"}


def test_a_row_that_names_no_file_is_named(folder: Path):
    (folder / "INDEX.tsv").write_text("archive\tmember\tsong_group\na\tone.mid\tthe one\na\n")

    with pytest.raises(BadCorpus, match=r"INDEX\.tsv, line 3: names no file"):
        song_groups(folder)


@pytest.mark.parametrize("content", ["file\tgroup\na\tb\n", "member;song_group\na;b\n", b"\xff\xfe\x00"])
def test_an_index_that_says_nothing_is_named(folder: Path, content: str | bytes):
    (folder / "INDEX.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(BadCorpus, match=r"INDEX\.tsv"):
        song_groups(folder)


@pytest.mark.parametrize("files", [[], ["notes.txt"], ["folk/notes.txt"]])
def test_a_folder_without_music_is_named(tmp_path: Path, files: list[str]):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no music")

    with pytest.raises(BadCorpus) as caught:
        corpus_source(tmp_path, "folk")
    with pytest.raises(BadCorpus) as loose:
        own_sources(tmp_path, "polka", ["folk"])

    assert str(tmp_path) in str(caught.value)
    assert str(tmp_path) in str(loose.value)


@pytest.mark.parametrize("content", [b"no archive", lzma.compress(bytes(4096))[:-20], lzma.compress(b"x" * 700)])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "folk.tar.xz").write_bytes(content)

    with pytest.raises(BadCorpus, match="folk"):
        files_of(corpus_source(tmp_path, "folk"), tmp_path / "cache")

    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
