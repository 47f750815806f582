"""Files beside the code are read as they were written, or refused by name; nothing else comes of damage."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leaders import make_leader
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scores import make_score, vary
from small_composer import small_composer

from model import tokens as t
from model.calibration import BadCalibration, Calibration
from model.critic import BadCritic, Critic
from model.errors import NeedsOperator
from model.leader import BadLeader, Leader
from model.midi import read_midi
from model.originality import BadIndex, Index, build_index
from model.reader import Reader
from model.weights import BadWeights, load_base, load_weights, read_architecture, read_provenance, save_weights

SONGS = [vary(make_score(bars=6), np.random.default_rng(seed), 12) for seed in range(6)]


def use_critic(path: Path) -> None:
    critic = Critic.load(path)
    critic.choose(SONGS[:2], np.random.default_rng(1))


def use_index(path: Path) -> None:
    index = Index.load(path)
    index.longest_run(SONGS[0])
    index.share_known(SONGS[0])


def use_leader(path: Path) -> None:
    leader = Leader.load(path)
    reader = Reader(12)
    for token in [*t.header("folk", 120, ["lead"]), t.BAR[0], t.AT[0], t.DURATION[3]]:
        reader.push(token)
    for seed in range(3):
        chart = leader.draw(12, (4, 4), np.random.default_rng(seed))
        leader.lead(chart, 1.6, reader, np.zeros(len(t.NAMES), np.float32))


READERS: dict[str, tuple[Callable[[Path], Any], ...]] = {
    "weights": (load_weights, load_base, read_provenance, read_architecture),
    "critic": (use_critic,),
    "index": (use_index,),
    "leader": (use_leader,),
    "calibration": (Calibration.load,),
}
ERRORS = {"weights": BadWeights, "critic": BadCritic, "index": BadIndex, "leader": BadLeader,
          "calibration": BadCalibration}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    save_weights(folder / "weights.safetensors", small_composer(), {"corpora": {"folk": 1.0}})
    Critic.learn(SONGS[:3], SONGS[3:], {"genre": "polka"}).save(folder / "critic.safetensors")
    build_index(SONGS).save(folder / "index.safetensors")
    make_leader().save(folder / "leader.safetensors")
    Calibration.none().save(folder / "calibration.safetensors")
    return folder


@pytest.mark.parametrize("exponent", range(8, 32))
def test_a_song_with_a_damaged_time_signature_stays_in_its_metre(tmp_path: Path, exponent: int):
    # Of 2 to the eighth and more, symusic makes a denominator of 0; a division by it ended a night of training.
    path = tmp_path / "song.mid"
    signature, notes = b"\x00\xff\x58\x04\x03%c\x18\x08", b"\x00\x99\x26\x60\x8f\x00\x89\x26\x00" * 8
    events = signature % 2 + signature % exponent + notes + b"\x00\xff\x2f\x00"
    path.write_bytes(struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, 480, b"MTrk", len(events)) + events)

    assert set(read_midi(path).time_signatures) == {(3, 4)}


def header_of(content: bytes) -> int:
    """Where the tensors begin."""
    return 8 + int(struct.unpack("<Q", content[:8])[0])


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data: st.DataObject, kind: str, good: Path):
    content = bytearray((good / f"{kind}.safetensors").read_bytes())
    end = data.draw(st.sampled_from([header_of(content), len(content)]))  # most of what matters is in the header
    for place, bit in data.draw(st.lists(st.tuples(st.integers(0, end - 1), st.integers(0, 7)), max_size=4)):
        content[place] ^= 1 << bit
    path = good / "damaged.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])

    for read in READERS[kind]:
        try:
            read(path)
        except ERRORS[kind] as error:
            assert str(path) in str(error)


def rewritten(good: Path, kind: str, **about: str) -> Path:
    """A whole file with another header."""
    source, path = good / f"{kind}.safetensors", good / "hostile.safetensors"
    with safe_open(source, framework="numpy") as stored:
        metadata = dict(stored.metadata()) | about
    save_file(load_file(source), path, metadata)
    return path


@pytest.mark.parametrize(
    "architecture",
    [
        {"width": 10**9}, {"layers": 10**9}, {"window": 10**12}, {"heads": 10**9}, {"heads": -1}, {"window": 0},
        {"width": 32.0}, {"layers": True}, {"heads": "2"},
    ],
)  # fmt: skip
def test_a_header_that_asks_for_more_than_its_file_holds_is_refused_before_it_gets_it(
    good: Path, architecture: dict[str, Any]
):
    real = read_architecture(good / "weights.safetensors")
    path = rewritten(good, "weights", architecture=json.dumps({"width": real.width, "layers": real.layers,
                     "heads": real.heads, "window": real.window} | architecture))  # fmt: skip

    for read in (load_weights, load_base):
        with pytest.raises(BadWeights, match="architecture"):
            read(path)


@pytest.mark.parametrize("nonsense", ["", "[" * 100_000, "[]", "7", "null", '{"width": {}}', "NaN"])
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("weights", "architecture"), ("weights", "provenance"), ("weights", "format"), ("critic", "names"),
        ("critic", "provenance"), ("critic", "format"), ("index", "thinning"), ("index", "limit"), ("index", "format"),
        ("leader", "format"), ("calibration", "format"),
    ],
)  # fmt: skip
def test_a_header_of_nonsense_is_refused(good: Path, kind: str, key: str, nonsense: str):
    path = rewritten(good, kind, **{key: nonsense})

    for read in READERS[kind]:
        try:
            read(path)
        except ERRORS[kind]:
            continue


def test_tensors_that_do_not_belong_together_are_refused(good: Path):
    critic, index = Critic.load(good / "critic.safetensors"), Index.load(good / "index.safetensors")
    replace(critic, mean=critic.mean[1:]).save(good / "short.safetensors")
    replace(index, songs=index.songs[1:]).save(good / "shorter.safetensors")

    with pytest.raises(BadCritic, match="do not belong together"):
        Critic.load(good / "short.safetensors")
    with pytest.raises(BadIndex, match="do not belong together"):
        Index.load(good / "shorter.safetensors")


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "header", [b"\xff" * 8, struct.pack("<Q", 2**40), struct.pack("<Q", 20) + b'{"a":{"shape":[9e9]}}'],
    ids=["endless", "a terabyte", "no type"],
)  # fmt: skip
def test_a_header_that_lies_about_its_length_is_refused(tmp_path: Path, kind: str, header: bytes):
    path = tmp_path / "liar.safetensors"
    path.write_bytes(header)

    for read in READERS[kind]:
        with pytest.raises(NeedsOperator):
            read(path)
