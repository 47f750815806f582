import errno
import time
from dataclasses import replace

import pytest

from model.errors import NeedsOperator
from worker.store import Store
from worker.track import MIDI, MP3, Track

TRACK = Track(
    key="console-1", media_types=(MP3, MIDI), seconds=45.0, musical_key="E minor", players=("drums",), stage_seconds={}
)


def make_files(folder, content="music"):
    folder.mkdir(exist_ok=True)
    for media_type in TRACK.media_types:
        (folder / TRACK.file_name(media_type)).write_text(content)
    return folder


@pytest.mark.parametrize("url", ["{tmp}/tracks", "file://{tmp}/tracks", "memory://tracks"])
def test_what_the_studio_put_the_bot_fetches(tmp_path, url):
    store = Store(url.format(tmp=tmp_path))
    store.put(make_files(tmp_path / "made"), TRACK)
    (tmp_path / "got").mkdir()

    path = store.fetch(TRACK, MP3, tmp_path / "got")

    assert path == tmp_path / "got" / "console-1.mp3"
    assert path.read_text() == "music"


def test_a_track_put_twice_is_there_once(tmp_path):
    store = Store(str(tmp_path / "tracks"))
    store.put(make_files(tmp_path / "made", "first"), TRACK)

    store.put(make_files(tmp_path / "made", "second"), TRACK)

    assert sorted(file.name for file in (tmp_path / "tracks").iterdir()) == ["console-1.mid", "console-1.mp3"]
    assert (tmp_path / "tracks" / "console-1.mp3").read_text() == "second"


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = Store(str(tmp_path / "tracks"))

    def fill_up(source, target, **_):
        with open(target, "w") as file:  # noqa: PTH123
            file.write("mu")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store._files, "put_file", fill_up)

    with pytest.raises(NeedsOperator, match=r"LNH_STORE .*tracks: no space left on this disk; make room"):
        store.put(make_files(tmp_path / "made"), TRACK)

    assert list((tmp_path / "tracks").iterdir()) == []


def test_a_track_that_is_not_there_is_no_half_file(tmp_path):
    store = Store(str(tmp_path / "tracks"))

    with pytest.raises(FileNotFoundError):
        store.fetch(TRACK, MP3, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_store_of_an_unknown_kind_is_the_operators_matter():
    with pytest.raises(NeedsOperator, match="LNH_STORE is 'moon://tracks'"):
        Store("moon://tracks")


@pytest.mark.parametrize("url", ["{tmp}/tracks", "memory://removed-tracks"])
def test_a_removed_track_is_gone_and_no_other(tmp_path, url):
    store, other = Store(url.format(tmp=tmp_path)), replace(TRACK, key="console-2")
    store.put(make_files(tmp_path / "made"), TRACK)
    for media_type in other.media_types:
        (tmp_path / "made" / other.file_name(media_type)).write_text("more music")
    store.put(tmp_path / "made", other)

    store.remove(TRACK)
    store.remove(TRACK)

    for media_type in TRACK.media_types:
        with pytest.raises(FileNotFoundError):
            store.fetch(TRACK, media_type, tmp_path)
    assert store.fetch(other, MP3, tmp_path).read_text() == "more music"


@pytest.mark.parametrize("url", ["{tmp}/tracks", "memory://old-tracks"])
def test_old_tracks_are_swept_but_those_that_are_still_wanted(tmp_path, url):
    store = Store(url.format(tmp=tmp_path))
    store.put(make_files(tmp_path / "made"), TRACK)

    too_young = store.sweep(time.time() - 60, ())
    wanted = store.sweep(time.time() + 60, {"console-1"})
    swept = store.sweep(time.time() + 60, {"console-2"})

    assert (too_young, wanted, swept) == (0, 0, len(TRACK.media_types))
    with pytest.raises(FileNotFoundError):
        store.fetch(TRACK, MP3, tmp_path)


def test_what_is_no_track_is_never_swept(tmp_path):
    for name in ("holiday.jpg", "my song.mp3", "console-1.mp3.bak", ".console-1.mp3.part", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "console-2.mp3").mkdir()

    swept = Store(str(tmp_path)).sweep(time.time() + 60, ())

    assert swept == 1
    assert not (tmp_path / ".console-1.mp3.part").exists()


def test_a_store_in_which_nothing_was_ever_put_is_swept_in_vain(tmp_path):
    assert Store(str(tmp_path / "tracks")).sweep(time.time(), ()) == 0


def test_a_folder_is_examined_without_being_made(tmp_path):
    store = Store(str(tmp_path / "data" / "tracks"))

    assert store.examine() == f"{tmp_path}/data/tracks, at the first track"

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_the_operators_matter(tmp_path):
    (tmp_path / "data").touch()

    with pytest.raises(NeedsOperator, match=r"/data: tracks cannot be kept here; mend the rights or set LNH_STORE"):
        Store(str(tmp_path / "data" / "tracks")).examine()


def test_a_password_in_the_address_is_never_shown():
    with pytest.raises(NeedsOperator) as error:
        Store("moon://me:secret@example.org/tracks")

    assert "moon://example.org/tracks" in str(error.value)
    assert "secret" not in str(error.value)
