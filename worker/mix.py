"""From stems to a record: every player through a channel of the desk, into one room, and mastered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.genre import Genre
from worker.amplifier import amplify
from worker.channels import NO_SEND_DB, PIECES, Channel, Name, channels_of
from worker.levels import compress, gate_tails, playing_level, set_level
from worker.master import master
from worker.perform import RATE
from worker.render import Stems
from worker.room import resound
from worker.tone import Sound, shape

MOST_SIDE = 0.35  # power of what differs between left and right, to what they share
KIT_EVENING = 0.7  # how much of the way to its level a piece of a kit is drawn
MOST_KIT_EVENING_DB = 6.0
DRUMS_LUFS = -20.0  # what the others' levels are counted from: leaves peaks of a full band below full scale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mix:
    """A mastered song."""

    sound: NDArray[np.float32]  # (frames, 2), 44 100 Hz, 1.0 is full scale

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.sound) / RATE


def mix_down(players: Iterable[Stems], genre: Genre) -> Mix:
    """Put the stems of each player through the desk and the room, and master them; silence stays silence.

    Stems are large, and used up: each is let go once it is in the mix.
    """
    return Mix(sound=master(_blend(players, genre), genre.sound.loudness_lufs).T)


def blend(stems: Stems, genre: Genre) -> Sound:
    """The mix before the master: all players through their channels, and what the room answers; two sides."""
    return _blend([{**stems}], genre)


def _blend(players: Iterable[Stems], genre: Genre) -> Sound:
    direct = sent = np.zeros((2, 0), np.float32)
    for stems in players:
        if not direct.size:
            frames = max(stem.shape[1] for stem in stems.values())
            direct, sent = np.zeros((2, frames), np.float32), np.zeros((2, frames), np.float32)
        _add(stems, genre, direct, sent)
    if not direct.size:
        return np.zeros((2, RATE), np.float32)
    direct += resound(sent, genre.sound.room)
    return direct


def _add(stems: Stems, genre: Genre, direct: Sound, sent: Sound) -> None:
    for _, channel, sound in _played(stems, genre):
        for side in (0, 1):  # one after another takes half the memory
            direct[side] += sound[side]
            sent[side] += sound[side] * _send_gain(channel)
        del sound  # before the next one goes through its channel


def separate(stems: Stems, genre: Genre) -> Stems:
    """Each stem as it is in the mix before the master, with its share of the room: together they are that mix."""
    return {
        name: sound + resound(sound * _send_gain(channel), genre.sound.room)
        for name, channel, sound in _played({**stems}, genre)
    }  # fmt: skip


def _played(stems: Stems, genre: Genre) -> Iterator[tuple[Name, Channel, Sound]]:
    """Who is heard, and what comes out of their channel; takes the stems out as it goes."""
    kit_db = kit_gain_db([stems[piece] for piece in PIECES if piece in stems])
    for player in genre.players:
        for name, channel in channels_of(player).items():
            if name in stems and stems[name].any():
                piece_db = kit_db + player.gain_db if name in PIECES else None  # its level is told of the gain, too
                yield name, channel, put_through(stems.pop(name), channel, piece_db)


def put_through(sound: Sound, channel: Channel, kit_db: float | None = None) -> Sound:
    """A stem through its channel: gate, amplifier, tone, compressor, level, place and width; two sides.

    A piece of a kit is told the kit's gain.
    """
    sound = gate_tails(sound) if channel.gate else sound
    sound = amplify(sound, channel.rig) if channel.rig else sound
    sound = shape(sound, channel.tone)
    sound = squeeze(sound, channel.squeeze)
    sound = set_fader(sound, channel.level_lu, kit_db)
    sound = place(sound, channel.pan or 0.0, doubled=channel.takes == 2)
    return narrow(sound)


def kit_gain_db(pieces: Sequence[Sound]) -> float:
    """What brings a whole kit, as it was recorded, to its level; the balance of its pieces stays."""
    if not any(piece.any() for piece in pieces):
        return 0.0
    kit = np.zeros((1, pieces[0].shape[1]), np.float32)
    for piece in pieces:
        kit += piece.mean(axis=0)
    return DRUMS_LUFS - playing_level(kit)


def _send_gain(channel: Channel) -> np.float32:
    """Of what a channel sends into the room."""
    return np.float32(0.0 if channel.send_db <= NO_SEND_DB else 10 ** (channel.send_db / 20))


def squeeze(sound: Sound, ratio: float) -> Sound:
    """Even out how loud the notes of a stem are: what is louder than it plays on average is turned down."""
    if ratio == 1:
        return sound
    threshold_db = playing_level(sound) - 3.0 + 10 * np.log10(len(sound) / 2)
    return compress(sound, threshold_db, ratio, seconds=0.01, recovery_db_per_second=60.0)


def set_fader(sound: Sound, level_lu: float, kit_db: float | None = None) -> Sound:
    """A stem at its level, to that of the drums, while it plays; a piece of a kit is only drawn towards it."""
    if kit_db is None:
        return set_level(sound, DRUMS_LUFS + level_lu)
    missing_lu = DRUMS_LUFS + level_lu - playing_level(sound) - kit_db
    drawn_db = np.clip(KIT_EVENING * missing_lu, -MOST_KIT_EVENING_DB, MOST_KIT_EVENING_DB)
    return sound * np.float32(10 ** ((kit_db + drawn_db) / 20))


def narrow(sound: Sound) -> Sound:
    """Two sides that differ no more than mono can bear: left/right correlation of a half at least."""
    left, right = sound
    both, shared = float(left @ left + right @ right), 2 * float(left @ right)
    power, excess = (both + shared) / 4, (both - shared) / 4  # of half the sum, and of half the difference
    if excess <= MOST_SIDE * power:
        return sound
    width = np.sqrt(MOST_SIDE * power / excess)
    return _blend_sides(sound, (1 + width) / 2, (1 - width) / 2)


def place(sound: Sound, pan: float, *, doubled: bool = False) -> Sound:
    """Two sides: one row at its place, two rows turned towards it; what is doubled stays far left and right.

    A balance of constant power, 0 dB in the middle.
    """
    if doubled:
        return _blend_sides(sound, np.cos(0.1 * np.pi / 4), np.sin(0.1 * np.pi / 4))
    if not pan:
        return np.broadcast_to(sound, (2, sound.shape[1]))
    angle = (pan + 1) * np.pi / 4
    sides = np.array([np.cos(angle), np.sin(angle)], np.float32) * np.float32(np.sqrt(2))
    return np.asarray(sound * sides[:, None], np.float32)


def _blend_sides(sound: Sound, near: float, far: float) -> Sound:
    """Two sides, each with a share of the other."""
    blended = sound * np.float32(near)
    for side in (0, 1):  # one after another takes half the memory
        blended[side] += sound[1 - side] * np.float32(far)
    return blended
