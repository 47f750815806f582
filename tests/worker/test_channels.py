from dataclasses import replace

import pytest

from model.genre import Player
from worker.amplifier import Rig
from worker.channels import FAMILIES, KITS, PIECES, channels_of, family_of


def player(role="lead", program=0, **wishes):
    return Player(role=role, name="somebody", program=program, **wishes)


@pytest.mark.parametrize(
    ("role", "program", "family"),
    [
        ("rhythm", 30, "distorted guitar"), ("lead", 29, "overdriven guitar"), ("rhythm", 27, "clean guitar"),
        ("rhythm", 28, "skank"), ("bass", 34, "electric bass"), ("bass", 32, "upright bass"), ("bass", 58, "low brass"),
        ("bass", 80, "synth bass"), ("keys", 0, "piano"), ("keys", 6, "harpsichord"), ("keys", 19, "organ"),
        ("lead", 56, "horn"), ("lead", 65, "horn"), ("lead", 73, "flute"), ("lead", 40, "fiddle"), ("lead", 80, "chip"),
        ("rhythm", 24, "acoustic guitar"), ("keys", 48, "strings"), ("keys", 127, "percussion"),
    ],
)  # fmt: skip
def test_the_instrument_tells_the_family(role, program, family):
    assert family_of(player(role, program)) == family


def test_every_instrument_of_general_midi_has_a_channel_in_every_role():
    for role in ("rhythm", "bass", "rhythm_2", "lead", "keys"):
        for program in range(128):
            assert list(channels_of(player(role, program))) == [role]


def test_every_kit_has_all_its_pieces():
    for program in range(128):
        assert tuple(channels_of(player("drums", program))) == PIECES
    assert all(tuple(kit) == PIECES for kit in KITS.values())


def test_a_distorted_rhythm_guitar_is_played_twice_and_a_lead_once():
    assert channels_of(player("rhythm", 30))["rhythm"].takes == 2
    assert channels_of(player("lead", 30))["lead"].takes == 1
    assert channels_of(player("lead", 30, takes=2))["lead"].takes == 2


def test_a_genre_file_has_the_last_word():
    wishes = {"pan": -0.7, "send_db": -3.0, "amp": "crunch", "cabinet": "open", "drive_db": 6.0, "tone": 0.5}
    usual = channels_of(player("lead", 18))["lead"]

    channel = channels_of(player("lead", 18, gain_db=2.0, **wishes))["lead"]

    assert (channel.pan, channel.send_db) == (-0.7, -3.0)
    assert channel.level_lu == usual.level_lu + 2.0
    assert channel.rig == Rig(model="crunch", cabinet="open", drive_db=6.0, tone=0.5)
    assert usual.rig is None


def test_without_an_amp_a_guitar_is_what_the_soundfont_has():
    channel = channels_of(player("rhythm", 30, amp="none"))["rhythm"]

    assert channel.rig is None
    assert channel.program is None
    assert replace(channel, takes=1).muted_program is None


def test_what_is_doubled_is_mono_on_each_side():
    assert not any(channel.wide for channel in FAMILIES.values() if channel.takes == 2 or channel.rig)
