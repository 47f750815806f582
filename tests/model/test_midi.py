"""Scores go into MIDI files and come back; damaged files are refused by name; roles are found by ear."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scores import make_score, one_note_score

from model.genre import Genre
from model.midi import LONGEST_SONG, BadMidi, nearest_duration, read_midi, read_programs, snap, write_midi
from model.score import DURATIONS, TIME_SIGNATURES, Note, Part, Role, Score

BAND: tuple[Role, ...] = ("drums", "rhythm", "bass", "lead")


def write_tracks(path: Path, *tracks: pretty_midi.Instrument, resolution: int = 480) -> Path:
    """A file of tracks at 120 bpm, as someone else's program writes it."""
    midi = pretty_midi.PrettyMIDI(resolution=resolution, initial_tempo=120)
    midi.instruments.extend(tracks)
    midi.write(str(path))
    return path


def track(
    program: int, pitches: list[int], *, beats: float = 1.0, name: str = "", is_drum: bool = False, chord: int = 1
) -> pretty_midi.Instrument:
    """One pitch after the other, each for `beats` beats, as a chord of `chord` fifths."""
    instrument = pretty_midi.Instrument(program, is_drum=is_drum, name=name)
    for i, pitch in enumerate(pitches):
        for step in range(chord):
            begin, end = i * beats / 2, (i + 1) * beats / 2
            instrument.notes.append(pretty_midi.Note(100, pitch + 7 * step, begin, end))
    return instrument


def lowest_by_role(score: Score) -> dict[Role, int]:
    return {part.role: min(note.pitch for note in part.notes) for part in score.parts}


@pytest.mark.parametrize("tempo_bpm", [70.0, 93.5, 137.0, 160.0, 240.0])
def test_a_song_survives_the_trip_through_a_file(tmp_path: Path, genre: Genre, tempo_bpm: float):
    score = make_score(8, tempo_bpm=tempo_bpm)

    write_midi(score, genre, tmp_path / "song.mid")

    assert read_midi(tmp_path / "song.mid") == score


def test_every_metre_of_the_band_survives_the_trip(tmp_path: Path, genre: Genre):
    bare = Score(tempo_bpm=150.0, time_signatures=TIME_SIGNATURES, parts=())
    notes = tuple(Note(start=start, pitch=50, duration=6, velocity=90) for start in bare.bar_starts[:-1])
    score = replace(bare, parts=(Part(role="rhythm", notes=notes),))

    write_midi(score, genre, tmp_path / "song.mid")

    assert read_midi(tmp_path / "song.mid") == score


def test_each_player_has_a_track_with_name_and_program(tmp_path: Path, genre: Genre):
    write_midi(make_score(2), genre, tmp_path / "song.mid", title="Dancing robots")

    midi = pretty_midi.PrettyMIDI(str(tmp_path / "song.mid"))
    assert [(t.name, t.program, t.is_drum) for t in midi.instruments] == [
        (genre.player(role).name, genre.player(role).program, role == "drums") for role in BAND
    ]
    assert midi.text_events[0].text == "Dancing robots"


@pytest.mark.parametrize("title", ["Tänzer", "ロボットの踊り 🤖", "راقص", "a\nb\x00c"])
def test_a_title_in_any_script_leaves_the_music_alone(tmp_path: Path, genre: Genre, title: str):
    players = tuple(replace(player, name=title) for player in genre.players)
    score = make_score(2)

    write_midi(score, replace(genre, players=players), tmp_path / "song.mid", title)

    assert read_midi(tmp_path / "song.mid") == score


def chips(genre: Genre) -> Genre:
    """The same band, all on square waves, so that nothing tells a guitar."""
    return replace(genre, players=tuple(replace(player, program=80) for player in genre.players))


def test_in_a_band_s_own_files_names_tell_who_plays(tmp_path: Path, genre: Genre):
    score, path = make_score(8), tmp_path / "song.mid"
    write_midi(score, chips(genre), path)

    assert read_midi(path, {player.name: player.role for player in genre.players}) == score
    assert read_midi(path) != score


@pytest.mark.parametrize("name", ["somebody", ""])
def test_where_one_track_is_of_nobody_in_the_band_all_roles_are_guessed(tmp_path: Path, genre: Genre, name: str):
    first, *others = genre.players
    players = {player.name: player.role for player in others} | {name: first.role}
    write_midi(make_score(8), chips(genre), tmp_path / "song.mid")

    assert read_midi(tmp_path / "song.mid", players) == read_midi(tmp_path / "song.mid")


def test_the_same_score_is_the_same_file_byte_for_byte(tmp_path: Path, genre: Genre):
    for name in ("one.mid", "two.mid"):
        write_midi(make_score(4), genre, tmp_path / name, "Twice")

    assert (tmp_path / "one.mid").read_bytes() == (tmp_path / "two.mid").read_bytes()


def test_a_song_begins_with_its_first_bar_that_sounds(tmp_path: Path, genre: Genre):
    write_midi(make_score(6, opening_rest_bars=2), genre, tmp_path / "song.mid")

    score = read_midi(tmp_path / "song.mid")

    assert len(score.time_signatures) == 4
    assert score.parts[0].notes[0].start == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MThd",
        b"\x00" * 64,
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk\xff\xff\xff\xff",
        b"MThd\xff\xff\xff\xff\x00\x01\x00\x01\x00\x60",
        b"MThd\x00\x00\x00\x06\x00\x01\xff\xff\x00\x60",
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x00\x00\x60",
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x00MTrk\x00\x00\x00\x04\x00\xff\x2f\x00",
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\xe7\x28MTrk\x00\x00\x00\x0c\x00\x90\x40\x40\x60\x80\x40\x40\x00\xff\x2f\x00",
    ],
    ids=["empty", "cut", "zeros", "sound", "long track", "long head", "65535 tracks", "no track", "no beat", "SMPTE"],
)  # fmt: skip
def test_a_file_that_is_no_music_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)

    with pytest.raises(BadMidi) as caught:
        read_midi(path)

    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    for path in (tmp_path / "none.mid", tmp_path):
        with pytest.raises(BadMidi) as caught:
            read_midi(path)

        assert str(path) in str(caught.value)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data: st.DataObject, damaged: Path):
    good = (damaged.parent / "good.mid").read_bytes()
    content = bytearray(good[: data.draw(st.integers(0, len(good)))])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=5)):
        if place < len(content):
            content[place] = value
    damaged.write_bytes(content)

    try:
        score = read_midi(damaged)
    except BadMidi:
        return

    assert score.parts


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, genre: Genre) -> Path:
    folder = tmp_path_factory.mktemp("midi")
    write_midi(make_score(2), genre, folder / "good.mid")
    return folder / "damaged.mid"


def test_a_song_that_lasts_for_days_is_refused_before_it_fills_the_memory(tmp_path: Path):
    # A few bytes can put a note at beat 268 million; arrays of that length took gigabytes.
    midi = mido.MidiFile(ticks_per_beat=1)
    midi.tracks.append(mido.MidiTrack([
        mido.Message("note_on", note=60, velocity=90, time=0), mido.Message("note_off", note=60, time=1),
        mido.Message("note_on", note=60, velocity=90, time=2**28 - 1), mido.Message("note_off", note=60, time=1),
    ]))  # fmt: skip
    midi.save(tmp_path / "days.mid")

    with pytest.raises(BadMidi, match=f"at beat 268435456; at most {LONGEST_SONG}"):
        read_midi(tmp_path / "days.mid")


def test_a_knob_turned_long_after_the_last_note_does_not_make_a_song_long(tmp_path: Path):
    # So ends a song of the rock archive: half a million beats after its music.
    midi = mido.MidiFile(ticks_per_beat=1)
    midi.tracks.append(mido.MidiTrack([
        mido.Message("note_on", note=60, velocity=90, time=0), mido.Message("note_off", note=60, time=4),
        mido.Message("control_change", control=7, value=0, time=410_269),
    ]))  # fmt: skip
    midi.save(tmp_path / "song.mid")

    score = read_midi(tmp_path / "song.mid")

    assert len(score.time_signatures) == 1


def test_a_file_without_notes_is_named(tmp_path: Path):
    path = write_tracks(tmp_path / "silence.mid", pretty_midi.Instrument(30))

    with pytest.raises(BadMidi, match="no notes"):
        read_midi(path)


def test_a_band_is_cast_by_program_and_register_in_any_order_of_tracks(tmp_path: Path):
    riff, solo, low = [40, 43] * 8, [76, 79] * 8, [28, 31] * 8
    players = [track(29, solo), track(33, low), track(30, riff, chord=2), track(0, [36] * 16, is_drum=True)]

    for tracks in (players, players[::-1]):
        score = read_midi(write_tracks(tmp_path / "band.mid", *tracks))

        assert lowest_by_role(score) == {"drums": 36, "rhythm": 40, "bass": 28, "lead": 76}


def test_a_bass_without_a_bass_program_is_known_by_its_register(tmp_path: Path):
    score = read_midi(write_tracks(tmp_path / "band.mid", track(80, [30] * 8), track(30, [52] * 8, chord=2)))

    assert lowest_by_role(score) == {"bass": 30, "rhythm": 52}


def test_two_guitars_stay_two_and_a_doubled_one_becomes_one(tmp_path: Path):
    riff, harmony = [40, 43] * 8, [52, 45] * 8
    guitars = [track(30, riff, chord=2), track(30, harmony, chord=2), track(29, [76] * 16)]

    alone = read_midi(write_tracks(tmp_path / "two.mid", *guitars))
    doubled = read_midi(write_tracks(tmp_path / "doubled.mid", *guitars, track(27, riff, chord=2)))

    assert set(lowest_by_role(alone)) == {"rhythm", "rhythm_2", "lead"}
    assert doubled == alone


def test_a_pad_of_chords_is_the_keys(tmp_path: Path):
    tracks = [track(30, [40] * 8, chord=2), track(29, [76] * 8), track(48, [60] * 8, chord=3)]

    score = read_midi(write_tracks(tmp_path / "band.mid", *tracks))

    assert lowest_by_role(score)["keys"] == 60


def test_a_guitar_leads_before_a_voice_that_sings_as_high(tmp_path: Path):
    tracks = [track(30, [40] * 8, chord=2), track(53, [75] * 8, name="Vocals"), track(29, [76] * 8)]

    score = read_midi(write_tracks(tmp_path / "band.mid", *tracks))

    assert lowest_by_role(score)["lead"] == 76


def test_drum_keys_of_one_sound_become_one(tmp_path: Path):
    score = read_midi(write_tracks(tmp_path / "kit.mid", track(0, [35, 40, 57, 44, 27], is_drum=True)))

    assert [note.pitch for note in score.parts[0].notes] == [36, 38, 49, 44]


def test_the_tempo_that_holds_longest_is_the_tempo(tmp_path: Path):
    midi = mido.MidiFile(ticks_per_beat=480)
    changes = [mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm), time=time)
               for bpm, time in ((90, 0), (180, 480), (60, 9600))]  # fmt: skip
    notes = [mido.Message("note_on", note=40, velocity=90, time=0), mido.Message("note_off", note=40, time=10560)]
    midi.tracks.extend([mido.MidiTrack(changes), mido.MidiTrack(notes)])
    midi.save(tmp_path / "song.mid")

    score = read_midi(tmp_path / "song.mid")

    assert score.tempo_bpm == 180.0


@pytest.mark.parametrize(
    ("written", "read"), [((12, 16), (3, 4)), ((2, 2), (4, 4)), ((1, 4), (4, 4)), ((12, 4), (4, 4)), ((3, 16), (4, 4))]
)
def test_a_metre_that_the_band_does_not_know_is_read_as_one_that_it_does(
    tmp_path: Path, written: tuple[int, int], read: tuple[int, int]
):
    midi = pretty_midi.PrettyMIDI(resolution=480)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(*written, 0))
    midi.instruments.append(track(30, [40] * 4))
    midi.write(str(tmp_path / "song.mid"))

    score = read_midi(tmp_path / "song.mid")

    assert set(score.time_signatures) == {read}


@pytest.mark.parametrize("written", [(7, 16), (11, 16), (17, 8)])
def test_a_song_in_a_metre_that_would_stand_off_the_beat_is_refused(tmp_path: Path, written: tuple[int, int]):
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.extend([metres((1, *written)), struck(*range(0, 480 * 20, 480))])
    midi.save(tmp_path / "song.mid")

    with pytest.raises(BadMidi, match=f"metre that the band does not play: {written[0]}/{written[1]}"):
        read_midi(tmp_path / "song.mid")


def test_a_few_bars_in_such_a_metre_are_read_as_another(tmp_path: Path):
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.extend([metres((480 * 16, 7, 16)), struck(*range(0, 480 * 20, 480))])
    midi.save(tmp_path / "song.mid")

    assert set(read_midi(tmp_path / "song.mid").time_signatures) == {(4, 4)}


@given(st.lists(st.sampled_from([(0, 4, 8), (0, 3, 6, 9), (0, 6), (0,)]), min_size=1, max_size=8), st.integers(0, 999))
@settings(deadline=None, max_examples=60)
def test_loose_playing_is_put_on_triplets_and_sixteenths_beat_by_beat(beats: list[tuple[int, ...]], seed: int):
    meant = np.array([12 * beat + at for beat, places in enumerate(beats) for at in places])
    # 0.3 ticks are 13 ms at 120 bpm. Beyond 0.31 a triplet can lie so near to sixteenths that it gains less than `snap`
    # asks of another grid.
    loose = np.random.default_rng(seed).uniform(-0.3, 0.3, len(meant))

    placed = snap(meant + loose)

    np.testing.assert_array_equal(placed, meant)


@given(arrays.arrays(np.float64, st.integers(0, 40), elements=st.floats(0, 2000)))
@settings(deadline=None, max_examples=60)
def test_every_note_is_put_near_where_it_was(ticks: np.ndarray):
    placed = snap(ticks)

    assert placed.shape == ticks.shape
    assert (np.abs(placed - ticks) <= 2).all()


@pytest.mark.parametrize(
    ("ticks", "duration"), [(-3, 1), (0, 1), (1, 1), (5, 6), (7, 8), (13, 12), (47, 48), (9999, 192)]
)
def test_a_length_is_put_on_the_grid_in_proportion(ticks: int, duration: int):
    assert nearest_duration(ticks) == duration


def test_lengths_of_the_grid_stay_what_they_are():
    assert [nearest_duration(duration) for duration in DURATIONS] == list(DURATIONS)


@pytest.mark.parametrize("pitch", [1, 64, 127])
def test_a_single_note_of_any_pitch_survives_the_trip(tmp_path: Path, genre: Genre, pitch: int):
    write_midi(one_note_score("rhythm", pitch), genre, tmp_path / "note.mid")

    score = read_midi(tmp_path / "note.mid")

    assert [note.pitch for part in score.parts for note in part.notes] == [pitch]


def metres(*changes: tuple[int, int, int]) -> mido.MidiTrack:
    """Time signatures, each after so many ticks of 480 a quarter since the last."""
    events = [mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator, time=time)
              for time, numerator, denominator in changes]  # fmt: skip
    return mido.MidiTrack(events)


def struck(*times: int, name: str = "", program: int = 30) -> mido.MidiTrack:
    """A quarter note at each of some ticks of 480 a quarter."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name), mido.Message("program_change", program=program)])
    now = 0
    for time in times:
        track.append(mido.Message("note_on", note=50, velocity=90, time=time - now))
        track.append(mido.Message("note_off", note=50, time=480))
        now = time + 480
    return track


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        (((0, 1, 4), (480, 4, 4)), [(5, 4), (4, 4)]),  # a pickup
        (((0, 1, 8), (240, 6, 8)), [(7, 8), (6, 8)]),
        (((0, 2, 4), (960, 4, 4)), [(2, 4), (4, 4)]),
        (((0, 4, 4), (960, 3, 4)), [(2, 4), (3, 4)]),  # half a bar that nobody wrote
        (((0, 4, 4), (960, 4, 4)), [(4, 4)]),  # no change, and no bar line
        (((0, 4, 4), (1880, 3, 4)), [(4, 4), (3, 4)]),  # nearly at the end of the bar
        (((0, 1, 16), (120, 4, 4)), [(4, 4)]),  # nothing that we know is as long
        (((0, 3, 4), (0, 4, 4)), [(4, 4)]),
    ],
)
def test_bars_begin_where_those_of_the_file_do(
    tmp_path: Path, changes: tuple[tuple[int, int, int], ...], read: list[tuple[int, int]]
):
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.extend([metres(*changes), struck(0, 480 * 30)])
    midi.save(tmp_path / "song.mid")

    signatures = read_midi(tmp_path / "song.mid").time_signatures

    assert [*dict.fromkeys(signatures)] == read
    assert all(signature == read[-1] for signature in signatures[len(read) :])


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 19), st.sampled_from([2, 4, 8, 16])), max_size=8))
@settings(deadline=None, max_examples=100)
def test_any_metres_are_bars_that_the_band_knows_to_the_end_of_the_song(changes: list[tuple[int, int, int]]):
    with TemporaryDirectory() as folder:
        midi = mido.MidiFile(ticks_per_beat=480)
        midi.tracks.extend([metres(*changes), struck(0, 480 * 100)])
        midi.save(Path(folder) / "song.mid")

        try:
            score = read_midi(Path(folder) / "song.mid")
        except BadMidi as error:
            assert error.kind == "in a metre that the band does not play"
            return

    assert set(score.time_signatures) <= set(TIME_SIGNATURES)
    assert 1200 < score.ticks <= 1200 + 96 + 1


def test_a_player_who_changes_the_program_is_one(tmp_path: Path):
    guitar = struck(*range(0, 480 * 16, 960), name="Guitar", program=27)
    guitar.append(mido.Message("program_change", program=30))
    guitar.extend(message for message in struck(*range(0, 480 * 32, 960))[2:])
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.extend([guitar, struck(0, 960, name="Other", program=0)])
    midi.save(tmp_path / "song.mid")

    assert len(read_midi(tmp_path / "song.mid").part("rhythm").notes) == 8 + 16
    assert read_programs(tmp_path / "song.mid")["rhythm"] == 30


def test_two_of_one_name_who_play_at_once_stay_two(tmp_path: Path):
    midi = mido.MidiFile(ticks_per_beat=480)
    ups = struck(*range(0, 480 * 16, 480), name="Guitar", program=27)
    downs = struck(*range(0, 480 * 16, 960), name="Guitar", program=30)
    for message in downs:
        if message.type.startswith("note"):
            message.note -= 7
    midi.tracks.extend([ups, downs, struck(0, name="Other", program=0)])
    midi.save(tmp_path / "song.mid")

    parts = read_midi(tmp_path / "song.mid").parts

    assert {8, 16} <= {len(part.notes) for part in parts}


def test_a_string_that_is_struck_while_it_sounds_sounds_anew(tmp_path: Path):
    # As many as 15 in 1000 notes of real songs are written so; synthesizers end the first one there.
    bass = pretty_midi.Instrument(33)
    bass.notes = [pretty_midi.Note(100, 40, 0.0, 1.0), pretty_midi.Note(100, 40, 0.5, 1.5)]
    path = write_tracks(tmp_path / "song.mid", bass)

    score = read_midi(path)

    assert [(note.start, note.duration) for note in score.parts[0].notes] == [(0, 12), (12, 24)]
