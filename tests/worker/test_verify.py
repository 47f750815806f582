import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from scores import make_score
from signals import noise, silence, sine

from model.genre import load_genres
from worker import verify as meters
from worker.encode import MissingFfmpeg, run_ffmpeg
from worker.mix import mix_down
from worker.perform import RATE
from worker.render import render_each
from worker.verify import BadTrack, Promise, Reading, find_faults, measure_tempo, read_meters, verify

METAL = load_genres()["heavy-metal"]
PROMISE = Promise(seconds=9.0, loudness_lufs=-14.0, tempo_bpm=120.0, notes=18)


def clicks(tempo_bpm, seconds=9.0):
    """A beat that is a little wider than mono, with a fade at the end."""
    sound = silence(seconds)
    hit = noise(0.03, seed=2) * np.linspace(0.5, 0, round(0.03 * RATE), dtype=np.float32)
    for start in np.arange(0.1, seconds - 0.1, 60 / tempo_bpm):
        at = round(start * RATE)
        sound[:, at : at + hit.shape[1]] += 0.3 * hit + hit[:1]
    return sound


GOOD = Reading(seconds=9.0, loudness_lufs=-14.0, true_peak_dbtp=-1.2, sound=clicks(120))


def faults(**changes):
    return list(find_faults(replace(GOOD, **changes), PROMISE))


def test_a_good_track_has_no_faults():
    assert faults() == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seconds": 8.5}, "lasts 8.50 s instead of 9.00"),
        ({"loudness_lufs": -14.4}, "-14.4 LUFS instead of -14.0"),
        ({"loudness_lufs": float("nan")}, "nan LUFS"),
        ({"true_peak_dbtp": -0.5}, "peaks at -0.5 dBTP"),
        ({"sound": silence(9.0)}, "is silent"),
        ({"sound": clicks(120) + np.float32(0.01)}, "direct current of 0.01"),
        ({"sound": clicks(120) * np.array([[1], [-1]], np.float32)}, "correlation of -"),
        ({"sound": np.hstack([silence(0.5), clicks(120)])}, "0.60 s of silence"),
        ({"sound": np.hstack([clicks(120), silence(5.0), clicks(120)])}, "pauses for 5"),
        ({"sound": np.hstack([clicks(120), sine(300, 0.1)])}, "breaks off"),
        ({"sound": clicks(122)}, "is played at 122.0"),
        ({"sound": clicks(121)}, "is played at 121.0"),
    ],
)
def test_every_fault_is_found_and_named(changes, fault):
    assert any(fault in found for found in faults(**changes)), faults(**changes)


def test_a_few_notes_need_neither_a_tempo_nor_a_loudness():
    reading = replace(GOOD, loudness_lufs=-18.0, sound=clicks(122))

    assert list(find_faults(reading, replace(PROMISE, notes=5))) == []


@pytest.mark.parametrize(("tempo_bpm", "heard_bpm", "good"), [(70.0, 70.2, True), (140.0, 140.4, False)])
def test_the_fewer_beats_the_less_exactly_their_tempo_is_held(tempo_bpm, heard_bpm, good):
    # Good slow songs of five bars were thrown away, as their length alone was looked at.
    promise = replace(PROMISE, seconds=18.5, tempo_bpm=tempo_bpm)
    reading = replace(GOOD, seconds=18.5, sound=clicks(heard_bpm, 18.5))

    assert (list(find_faults(reading, promise)) == []) == good


def test_a_song_without_a_note_may_be_silent():
    assert list(find_faults(replace(GOOD, sound=silence(9.0)), replace(PROMISE, notes=0))) == []


@pytest.mark.parametrize("tempo_bpm", [47.0, 90.0, 160.0, 233.3])
def test_the_tempo_of_clicks_is_found_to_a_tenth_of_a_per_mille(tempo_bpm):
    for asked in (tempo_bpm, tempo_bpm * 1.015, tempo_bpm * 0.985):
        assert measure_tempo(clicks(tempo_bpm, 20.0), asked) == pytest.approx(tempo_bpm, rel=2e-4)


@pytest.mark.parametrize("roles", [("drums",), ("lead",), ("drums", "rhythm", "bass", "lead")])
def test_the_tempo_of_a_band_is_found(roles):
    sound = mix_down(render_each(make_score(bars=8, roles=roles), METAL, seed=3), METAL).sound.T

    assert measure_tempo(sound, 160.0) == pytest.approx(160.0, rel=5e-4)


def test_silence_has_no_tempo_and_none_is_made_up():
    assert measure_tempo(silence(5.0), 120.0) is None
    assert measure_tempo(noise(5.0), 120.0) is None


@pytest.fixture
def song(tmp_path):
    """A file with a tone of 2 s at -23 dBFS."""
    run_ffmpeg(["-f", "lavfi", "-i", "sine=997:duration=2", "-filter:a", "volume=-2dB", "-ac", "2", "-ar", "44100",
                "-f", "mp3"], tmp_path / "song.mp3")  # fmt: skip
    return tmp_path / "song.mp3"


def test_the_meters_read_a_file(song):
    reading = read_meters(song)

    assert reading.seconds == pytest.approx(2.0, abs=0.06)
    assert reading.loudness_lufs == pytest.approx(-23, abs=1)
    assert reading.true_peak_dbtp == pytest.approx(-23, abs=1)
    assert np.abs(reading.sound).max() == pytest.approx(0.07, abs=0.01)
    assert reading.sound.shape[0] == 2


def test_all_faults_of_a_file_are_said_in_one_line(song):
    said = r"song\.mp3: lasts 2\.\d+ s instead of 9\.00; breaks off .*; has -2.*; an error of ours"
    with pytest.raises(BadTrack, match=said):
        verify(song, PROMISE)


def test_half_a_file_is_named(song):
    song.write_bytes(b"ID3 and no more")

    with pytest.raises(BadTrack, match=r"song\.mp3: ffprobe cannot read it"):
        read_meters(song)


def test_without_ffprobe_the_package_to_install_is_named(song, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingFfmpeg, match=r"ffprobe is not on the PATH; .*apt install ffmpeg"):
        read_meters(song)


def test_a_meter_that_hangs_is_given_up(song, monkeypatch):
    def hang(command, **_):
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(meters.subprocess, "run", hang)

    with pytest.raises(BadTrack, match="was not done after 60 s"):
        read_meters(song)


def test_the_length_is_that_of_the_stream_that_is_furthest_off(song, monkeypatch):
    facts = {"format": {"duration": "2"}, "streams": [{"duration": "2"}, {"duration": "2.5"}, {"duration": "2"}]}
    real = meters._run

    def short(command, path):
        return (json.dumps(facts).encode(), "") if command[0] == "ffprobe" else real(command, path)

    monkeypatch.setattr(meters, "_run", short)

    assert read_meters(song).seconds == 2.5
