"""The desk's channels: what each kind of instrument gets when its genre file says nothing, and what a file changes."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from model.genre import Player
from model.score import Role
from worker.amplifier import Rig
from worker.perform import Hand
from worker.tone import Curve

Family = Literal[
    "distorted guitar", "overdriven guitar", "clean guitar", "skank", "acoustic guitar", "electric bass",
    "upright bass", "synth bass", "low brass", "piano", "harpsichord", "organ", "bells", "strings", "horn", "flute",
    "fiddle", "chip", "pad", "percussion",
]  # fmt: skip
Piece = Literal["kick", "snare", "toms", "cymbals"]
PIECES: tuple[Piece, ...] = get_args(Piece)
Name = Role | Piece  # of a stem
NO_SEND_DB = -60.0

HAND = Hand()
STRINGS = Hand(strum_seconds=0.0025)
KEYS = Hand(spread_seconds=0.002, strum_seconds=0.0008)
BREATH = Hand(spread_seconds=0.004, lag_seconds=0.004, spread_velocity=4)
MACHINE = Hand(spread_seconds=0.0, spread_velocity=0.0)
DRUMMER = Hand(spread_seconds=0.0015)
FINGERS = Hand(spread_seconds=0.002)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How one instrument is played and goes through the desk."""

    hand: Hand = HAND
    program: int | None = None  # what the amplifier is fed with, when it is not the player's own
    muted_program: int | None = None  # what strokes under the palm sound like
    takes: int = 1  # 2: played twice, left and right
    wide: bool = False  # keeps the two sides that the soundfont gives it
    rig: Rig | None = None
    tone: Curve = ()
    gate: bool = False  # cuts the tails of fast hits
    squeeze: float = 1.0  # ratio of its compressor
    level_lu: float = 0.0  # added to its role's; of a piece of a kit, what it is drawn towards, to the kit
    pan: float | None = None  # -1 left to 1 right; None is its role's place
    send_db: float = -14.0  # into the room


LEVELS_LU: dict[Role, float] = {"drums": 0, "rhythm": -5, "bass": -5, "rhythm_2": -6.5, "lead": -3.5, "keys": -6}
PANS: dict[Role, float] = {"drums": 0, "rhythm": -0.45, "bass": 0, "rhythm_2": 0.45, "lead": 0.12, "keys": 0.3}

SOLO: Curve = ((1500, 0), (3200, -4), (5000, -2))  # a single distorted guitar is not to hiss over its band
LOW_CUT: Curve = ((40, -24), (90, -9), (150, -1), (250, 0))

FAMILIES: dict[Family, Channel] = {
    "distorted guitar": Channel(
        hand=Hand(strum_seconds=0.0015, mutes=True), program=27, muted_program=28, takes=2,
        rig=Rig(model="high-gain", cabinet="stack"), level_lu=1.5, send_db=-19,
    ),
    "overdriven guitar": Channel(
        hand=Hand(strum_seconds=0.002), program=27, takes=2, rig=Rig(model="crunch", cabinet="stack"), level_lu=0.5,
        send_db=-16,
    ),
    "clean guitar": Channel(
        hand=STRINGS, rig=Rig(model="clean", cabinet="open"), tone=LOW_CUT, squeeze=2.0, send_db=-11,
    ),
    "skank": Channel(
        hand=Hand(strum_seconds=0.003, lag_seconds=0.003), rig=Rig(model="clean", cabinet="open", tone=0.4),
        tone=((60, -30), (200, -12), (350, -2), (500, 0)), squeeze=2.0, send_db=-9,
    ),
    "acoustic guitar": Channel(
        hand=Hand(strum_seconds=0.004), tone=((50, -18), (100, -3), (220, -2), (400, 0), (5000, 2), (12000, 2)),
        wide=True, squeeze=2.0, send_db=-12,
    ),
    "electric bass": Channel(
        hand=FINGERS, rig=Rig(model="bass", cabinet="bass"), squeeze=4.0, pan=0.0, send_db=NO_SEND_DB,
    ),
    "upright bass": Channel(
        hand=Hand(lag_seconds=0.002), tone=((25, -24), (45, 0), (90, 0), (250, 2), (700, 5), (2500, 4), (8000, 0)),
        squeeze=2.5, pan=0.0, send_db=-20,
    ),
    "synth bass": Channel(
        hand=MACHINE, tone=((25, -24), (45, 0), (120, 1), (300, -2), (3000, 0)), squeeze=3.0, pan=0.0,
        send_db=NO_SEND_DB,
    ),
    "low brass": Channel(
        hand=BREATH, tone=((25, -24), (40, 0), (250, -2), (1200, 2)), squeeze=2.0, pan=0.0, send_db=-16,
    ),
    "piano": Channel(
        hand=KEYS, wide=True, tone=((40, -12), (80, -2), (250, -2), (500, 0), (4000, 2), (12000, 2)), squeeze=1.5,
        send_db=-13,
    ),
    "harpsichord": Channel(
        hand=KEYS, wide=True, tone=((50, -12), (100, 0), (1500, 0), (3000, -3), (8000, -4)), send_db=-10,
    ),
    "organ": Channel(
        hand=KEYS, wide=True, tone=((40, -12), (90, -3), (300, -1), (1500, 1), (8000, -2)), level_lu=-0.5, send_db=-13,
    ),
    "bells": Channel(hand=KEYS, wide=True, tone=LOW_CUT, level_lu=-1.0, send_db=-11),
    "strings": Channel(hand=BREATH, wide=True, tone=((40, -18), (90, -3), (300, -1), (6000, 1)), send_db=-9),
    "horn": Channel(
        hand=BREATH, tone=((60, -24), (120, -4), (300, 0), (1500, 1), (3000, -1), (8000, 1)), squeeze=2.0, send_db=-11,
    ),
    "flute": Channel(hand=BREATH, tone=((100, -24), (200, -3), (400, 0), (6000, 1)), squeeze=2.0, send_db=-9),
    "fiddle": Channel(
        hand=BREATH, tone=((90, -24), (180, -3), (500, 0), (2500, -2), (8000, 1)), squeeze=2.0, send_db=-10,
    ),
    "chip": Channel(
        hand=MACHINE, tone=((60, -18), (120, 0), (5000, 0), (9000, -3), (15000, -12)), level_lu=-1.0, send_db=-18,
    ),
    "pad": Channel(hand=KEYS, wide=True, tone=((50, -24), (150, -6), (300, -1)), level_lu=-2.0, send_db=-10),
    "percussion": Channel(hand=DRUMMER, wide=True, tone=LOW_CUT, send_db=-12),
}  # fmt: skip

# The first program of each family, for roles other than drums and bass; see the list of General MIDI.
_FROM_PROGRAM: tuple[tuple[int, Family], ...] = (
    (0, "piano"), (6, "harpsichord"), (7, "piano"), (8, "bells"), (16, "organ"), (24, "acoustic guitar"),
    (26, "clean guitar"), (28, "skank"), (29, "overdriven guitar"), (30, "distorted guitar"), (31, "clean guitar"),
    (32, "upright bass"), (33, "electric bass"), (38, "synth bass"), (40, "fiddle"), (41, "strings"),
    (46, "acoustic guitar"), (47, "percussion"), (48, "strings"), (56, "horn"), (68, "flute"), (80, "chip"),
    (82, "pad"), (84, "chip"), (85, "pad"), (87, "chip"), (88, "pad"), (104, "acoustic guitar"), (108, "bells"),
    (109, "flute"), (110, "fiddle"),
    (111, "flute"), (112, "percussion"),
)  # fmt: skip
_BASSES: tuple[tuple[int, Family], ...] = (
    (0, "upright bass"), (33, "electric bass"), (38, "synth bass"), (40, "upright bass"), (56, "low brass"),
    (80, "synth bass"),
)  # fmt: skip

Kit = dict[Piece, Channel]
KITS: dict[str, Kit] = {
    "rock": {
        "kick": Channel(
            hand=DRUMMER, gate=True, squeeze=2.0, send_db=-24, level_lu=-6.0,
            tone=((25, -18), (45, 0), (65, 2), (110, 1), (300, -5), (600, -3), (2500, 3), (5000, 3), (10000, -3)),
        ),
        "snare": Channel(
            hand=DRUMMER, squeeze=2.0, send_db=-12, level_lu=-6.0,
            tone=((60, -24), (120, -4), (200, 3), (450, -3), (2500, 1), (5000, 3), (10000, 2)),
        ),
        "toms": Channel(
            hand=DRUMMER, wide=True, squeeze=2.0, send_db=-13, level_lu=-7.5,
            tone=((40, -12), (80, 2), (350, -4), (3500, 3), (10000, 0)),
        ),
        "cymbals": Channel(
            hand=DRUMMER, wide=True, send_db=-15, squeeze=2.0, level_lu=-10.5,
            tone=((80, -36), (250, -12), (500, -3), (3000, 0), (6000, -1), (9000, -4), (12000, -9), (16000, -14)),
        ),
    },
    "power": {
        "kick": Channel(
            hand=DRUMMER, gate=True, squeeze=3.0, send_db=-30, level_lu=-6.5,
            tone=((25, -18), (45, 2), (62, 1), (100, 0), (250, -7), (500, -6), (1500, -1), (3500, 6), (6000, 5),
                  (10000, 0)),
        ),
        "snare": Channel(
            hand=DRUMMER, squeeze=3.0, send_db=-11, level_lu=-5.5,
            tone=((60, -24), (120, -4), (190, 4), (450, -4), (2000, 1), (5000, 4), (10000, 3)),
        ),
        "toms": Channel(
            hand=DRUMMER, wide=True, squeeze=2.0, send_db=-13, level_lu=-8.0,
            tone=((40, -12), (80, 3), (350, -6), (3500, 4), (10000, 1)),
        ),
        "cymbals": Channel(
            hand=DRUMMER, wide=True, send_db=-15, squeeze=2.0, level_lu=-11.0,
            tone=((80, -48), (300, -15), (600, -4), (3000, -1), (6000, 0), (9000, -1), (12000, -4), (16000, -9)),
        ),
    },
    "jazz": {
        "kick": Channel(
            hand=DRUMMER, squeeze=1.5, send_db=-16, level_lu=-13.0,
            tone=((25, -24), (50, -4), (90, 0), (300, -2), (3000, 1)),
        ),
        "snare": Channel(
            hand=DRUMMER, squeeze=1.5, send_db=-11, level_lu=-10.0, tone=((80, -12), (200, 0), (5000, 2), (12000, 2)),
        ),
        "toms": Channel(
            hand=DRUMMER, wide=True, send_db=-12, level_lu=-9.0, tone=((40, -12), (90, 0), (350, -2), (5000, 1)),
        ),
        "cymbals": Channel(
            hand=DRUMMER, wide=True, send_db=-13, level_lu=-8.0,
            tone=((80, -24), (300, -4), (3000, 0), (6000, -1), (9000, -3), (12000, -7), (16000, -12)),
        ),
    },
    "electronic": {
        "kick": Channel(
            hand=MACHINE, gate=True, squeeze=2.0, send_db=NO_SEND_DB, level_lu=-5.0, tone=((25, -18), (45, 1), (60, 2)),
        ),
        "snare": Channel(
            hand=MACHINE, squeeze=2.0, send_db=-13, level_lu=-7.0, tone=((80, -18), (180, 1), (5000, 2)),
        ),
        "toms": Channel(hand=MACHINE, wide=True, send_db=-15, level_lu=-9.0),
        "cymbals": Channel(
            hand=MACHINE, wide=True, send_db=-18, level_lu=-11.0,
            tone=((80, -36), (300, -9), (6000, 0), (9000, -2), (16000, -10)),
        ),
    },
}  # fmt: skip
_KITS_FROM: tuple[tuple[int, str], ...] = ((0, "rock"), (16, "power"), (24, "electronic"), (32, "jazz"))


def family_of(player: Player) -> Family:
    """The family of a player who does not drum: by the instrument, and for a bass by the part."""
    table = _BASSES if player.role == "bass" else _FROM_PROGRAM
    return next(family for first, family in reversed(table) if player.program >= first)


def channels_of(player: Player) -> dict[Name, Channel]:
    """A player's channels by the names of their stems: one, or one for each piece of a kit."""
    if player.role == "drums":
        kit = next(name for first, name in reversed(_KITS_FROM) if player.program >= first)
        return {piece: _as_told(channel, player, is_drum=True) for piece, channel in KITS[kit].items()}
    channel = FAMILIES[family_of(player)]
    if player.role != "rhythm" and channel.takes == 2:
        channel = replace(channel, takes=1, tone=SOLO, send_db=channel.send_db + 6)
    return {player.role: _as_told(channel, player)}


def _as_told(channel: Channel, player: Player, *, is_drum: bool = False) -> Channel:
    """A channel with what the genre file says of its player."""
    role_pan = PANS[player.role] if channel.pan is None else channel.pan
    return replace(
        channel,
        takes=channel.takes if player.takes is None else player.takes,
        pan=role_pan if player.pan is None else player.pan,
        level_lu=(0.0 if is_drum else LEVELS_LU[player.role]) + channel.level_lu + player.gain_db,
        send_db=channel.send_db if player.send_db is None else player.send_db,
        rig=channel.rig if is_drum else _rig(channel.rig, player),
        program=None if player.amp == "none" else channel.program,
        muted_program=None if player.amp == "none" else channel.muted_program,
    )


def _rig(rig: Rig | None, player: Player) -> Rig | None:
    if player.amp == "none" or (rig is None and player.amp is None):
        return None
    own = rig or Rig(model="clean", cabinet="open")
    return Rig(
        model=player.amp or own.model, cabinet=player.cabinet or own.cabinet,
        drive_db=own.drive_db + player.drive_db, tone=own.tone + player.tone,
    )  # fmt: skip
