import errno
import resource
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scores import empty_score, make_score
from signals import rms_db
from sound_checks import probe
from stub_studio import make_request

from model.genre import load_genres
from model.score import Score
from worker import produce as studio
from worker.encode import CannotWrite, MissingFfmpeg
from worker.produce import produce, write_score
from worker.render import MissingSoundfont, RenderFailed
from worker.track import MIDI, MP3, MP4, PNG
from worker.verify import BadTrack

METAL = load_genres()["heavy-metal"]


@dataclass
class StubBand:
    score: Score

    def compose(self, request):
        return self.score


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_request_becomes_four_files_and_a_track_that_describes_them(tmp_path):
    request = make_request("console-7", title="Dancing 'robots'; [v] 🤖")

    track = produce(request, METAL, StubBand(make_score(bars=2)), tmp_path)

    assert names(tmp_path) == ["console-7.mid", "console-7.mp3", "console-7.mp4", "console-7.png"]
    assert set(track.media_types) == {MP3, MP4, MIDI, PNG}
    assert {track.file_name(media_type) for media_type in track.media_types} == set(names(tmp_path))
    assert track.musical_key == "E minor"
    assert track.players == ("drums", "rhythm guitar", "bass", "lead guitar")
    assert set(track.stage_seconds) == {"compose", "render", "mix", "picture", "encode", "verify"}
    for name in ("console-7.mp3", "console-7.mp4"):
        found = probe(tmp_path / name)["format"]
        assert float(found["duration"]) == pytest.approx(track.seconds, abs=0.06)
        assert found["tags"]["title"] == "Dancing 'robots'; [v] 🤖 – take 1"
        assert found["tags"]["comment"] == "Composed by a machine"
        assert "album" not in found["tags"]
    tags = probe(tmp_path / "console-7.mp3")["format"]["tags"]
    assert (tags["TBPM"], tags["TKEY"]) == ("160", "Em")


def test_the_same_request_gives_the_same_sound(tmp_path):
    request = make_request("console-7")

    for take in ("first", "second"):
        produce(request, METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path / take)

    first, second = ((tmp_path / take / "console-7.mp3").read_bytes() for take in ("first", "second"))
    assert first == second


def fail_the_check(monkeypatch, times):
    """The first checks find a fault."""
    faults = [BadTrack("console-7.mp3: has -15.0 LUFS instead of -14.0")] * times

    def check(*_):
        if faults:
            raise faults.pop()

    monkeypatch.setattr(studio, "verify", check)
    monkeypatch.setattr(studio, "encode_mp4", lambda _mix, _picture, _tags, path: path.write_bytes(b"mp4"))


def read_flac(path):
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-"], capture_output=True, check=True)
    return np.frombuffer(raw.stdout, "<f4")


def test_a_song_that_is_too_long_for_a_video_may_begin_softly(tmp_path, monkeypatch):
    # Its beginning was held to the loudness of the whole, and minutes of work were thrown away.
    monkeypatch.setattr("worker.encode.LONGEST_VIDEO_SECONDS", 7.0)
    loud = make_score(bars=10)
    parts = tuple(part if part.role == "bass" else replace(part, notes=part.notes[len(part.notes) // 2 :])
                  for part in loud.parts)  # fmt: skip

    track = produce(make_request("console-7"), METAL, StubBand(replace(loud, parts=parts)), tmp_path)

    lengths = [float(probe(tmp_path / name)["format"]["duration"]) for name in ("console-7.mp3", "console-7.mp4")]
    assert lengths == pytest.approx([track.seconds, 7.0], abs=0.06)


def test_a_folder_may_have_any_name(tmp_path, monkeypatch):
    # ffmpeg took it for an option, for a protocol, and for the pattern of a row of pictures.
    monkeypatch.chdir(tmp_path)
    folder = Path("-12:00 take%3d")

    produce(make_request("console-7"), METAL, StubBand(make_score(bars=1, roles=["bass"])), folder)

    assert len(names(folder)) == 4


def test_stems_are_kept_on_demand_and_add_up_to_the_mix(tmp_path, monkeypatch):
    fail_the_check(monkeypatch, times=0)
    band = StubBand(make_score(bars=1, roles=["drums", "bass"]))

    produce(make_request("console-7"), METAL, band, tmp_path, keep_stems=True)

    stems = {path.name.split(".")[1]: read_flac(path) for path in tmp_path.glob("*.flac")}
    mix = stems.pop("mix")
    assert set(stems) == {"kick", "snare", "cymbals", "bass"}
    assert rms_db(sum(stems.values()) - mix) < rms_db(mix) - 60
    assert len(names(tmp_path)) == 4 + 5


def test_a_title_of_eighty_emoji_becomes_a_track(tmp_path, monkeypatch):
    fail_the_check(monkeypatch, times=0)
    request = make_request("console-7", title="🤖" * 80)

    produce(request, METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path)

    assert probe(tmp_path / "console-7.mp3")["format"]["tags"]["title"] == f"{request.title} – take 1"


def test_a_track_that_fails_its_check_is_made_again_with_other_hands(tmp_path, monkeypatch, caplog):
    band = StubBand(make_score(bars=1, roles=["bass"]))
    fail_the_check(monkeypatch, times=0)
    produce(make_request("console-7"), METAL, band, tmp_path / "first")
    fail_the_check(monkeypatch, times=1)

    produce(make_request("console-7"), METAL, band, tmp_path / "second")

    assert "made again with other hands" in caplog.text
    first, second = ((tmp_path / each / "console-7.mp3").read_bytes() for each in ("first", "second"))
    assert first != second


def test_a_track_that_fails_twice_is_reported_and_nothing_is_left(tmp_path, monkeypatch):
    fail_the_check(monkeypatch, times=2)

    with pytest.raises(BadTrack, match=r"has -15\.0 LUFS"):
        produce(make_request("console-7"), METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path)

    assert names(tmp_path) == []


def test_a_song_without_a_note_is_silent_but_whole(tmp_path):
    track = produce(make_request("console-8"), METAL, StubBand(empty_score()), tmp_path)

    assert len(names(tmp_path)) == 4
    assert track.players == ()
    assert track.musical_key == "no key"


@pytest.mark.parametrize("trouble", [RenderFailed("ffmpeg was killed"), CannotWrite("no space"), KeyboardInterrupt()])
def test_whatever_goes_wrong_at_the_end_nothing_is_left_behind(tmp_path, monkeypatch, trouble):
    def fail(*_):
        raise trouble

    monkeypatch.setattr(studio, "encode_mp4", fail)

    with pytest.raises(type(trouble)):
        produce(make_request("console-9"), METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path)

    assert names(tmp_path) == []


@contextmanager
def files_no_larger_than(size):
    """What a disk with so many bytes left does to each file of ours and of ffmpeg's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100, 20_000, 500_000])  # enough for nothing, for the score, and for the cover
def test_where_no_file_may_grow_large_the_limit_is_named_and_nothing_is_left(tmp_path, size):
    band = StubBand(make_score(bars=1, roles=["bass"]))

    with files_no_larger_than(size), pytest.raises(CannotWrite, match=r"may not grow as large; raise the limit"):
        produce(make_request("console-9"), METAL, band, tmp_path)

    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        (None, MissingFfmpeg, "ffmpeg is not on the PATH; install it"),
        ('for last; do :; done; echo half > "$last"; kill -9 $$', RenderFailed, r"9\.mp3: ffmpeg ended with -9"),
    ],
)
def test_without_ffmpeg_or_with_one_that_is_killed_nothing_is_left(tmp_path, monkeypatch, script, error, said):
    (tmp_path / "programs").mkdir()
    if script:
        (tmp_path / "programs" / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "programs" / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))

    with pytest.raises(error, match=said):
        produce(make_request("console-9"), METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path / "songs")

    assert names(tmp_path / "songs") == []


def test_a_full_disk_while_the_midi_file_is_written_is_named(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(studio, "write_midi", fail)

    with pytest.raises(CannotWrite, match=f"{tmp_path}/.*: no space left"):
        produce(make_request("console-9"), METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path)

    assert names(tmp_path) == []


def test_a_missing_soundfont_leaves_nothing_behind(tmp_path):
    genre = replace(METAL, sound=replace(METAL.sound, soundfont="nobody.sf2"))

    with pytest.raises(MissingSoundfont):
        produce(make_request("console-9"), genre, StubBand(make_score(bars=1)), tmp_path)

    assert names(tmp_path) == []


def test_a_file_of_the_house_that_may_not_be_read_is_not_blamed_on_the_folder(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "fonts/BebasNeue.ttf")

    monkeypatch.setattr(studio, "draw_cover", refuse)

    with pytest.raises(PermissionError, match=r"BebasNeue\.ttf"):
        produce(make_request("console-9"), METAL, StubBand(make_score(bars=1, roles=["bass"])), tmp_path)

    assert names(tmp_path) == []


def test_a_score_alone_is_whole_or_not_there(tmp_path, monkeypatch):
    def fill_up(score, genre, path, title):
        path.write_bytes(b"MThd")
        raise OSError(errno.ENOSPC, "No space left on device")

    score = make_score(bars=1, roles=["bass"])
    write_score(make_request("console-9"), score, METAL, tmp_path / "whole")
    monkeypatch.setattr(studio, "write_midi", fill_up)

    with pytest.raises(CannotWrite, match=f"{tmp_path}/.*: no space left"):
        write_score(make_request("console-9"), score, METAL, tmp_path)

    assert names(tmp_path / "whole") == ["console-9.mid"]
    assert names(tmp_path) == ["whole"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(CannotWrite, match=r"file/songs: there is a file where a folder should be; name another"):
        write_score(make_request("console-9"), make_score(bars=1), METAL, tmp_path / "file" / "songs")
