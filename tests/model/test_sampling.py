"""Every token is chosen among those that may come, as freely as asked, and each song by its own chance."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_composer import small_composer

from model import sampling
from model import tokens as t
from model.choice import KINDS, choose, nucleus, odds_of
from model.decoder import PlainDecoder
from model.features import columns, voice
from model.genre import Freedom
from model.network import Cache, Composer
from model.reader import Reader
from model.sampling import Floats, Guard, Method, Piece, compose_streams, freedom_at
from model.score import Score

FREE = Freedom(randomness=1, rhythm=1, pitch=1, structure=1, top_p=1, noise=0.5)
SAFE = Freedom(randomness=0, rhythm=0.5, pitch=0.5, structure=0.5, top_p=0.5, noise=0)
FORBIDDEN = np.float32(90)  # a logit that would win wherever it may
HEADER = t.header("heavy-metal", 160, ["drums", "rhythm", "bass", "lead"])


def no_guard(_reader: Reader, _mask: np.ndarray) -> None:
    """Only the grammar holds."""


def compose(
    network: Composer, seeds: list[int], bars: int = 1, method: Method = "probability", freedom: Freedom = FREE
) -> list[Score]:
    pieces = [make_piece(seed, bars, freedom) for seed in seeds]
    return [reader.score(160.0) for reader in compose_streams(network, pieces, method=method)]


def make_piece(seed: int, bars: int = 1, freedom: Freedom = FREE, guard: Guard = no_guard) -> Piece:
    return Piece(header=HEADER, bars=bars, freedom=freedom, guard=guard, rng=np.random.default_rng(seed))


def logits_of(**weights: float) -> Floats:
    """Logits of a few tokens by name, with "_" for a space; all others are FORBIDDEN."""
    logits = np.full(len(t.NAMES), FORBIDDEN)
    for name, weight in weights.items():
        logits[t.NAMES.index(name.replace("_", " "))] = np.log(weight)
    return logits


def shares(logits: Floats, freedom: Freedom, draws: int = 4000) -> dict[str, float]:
    chances = np.random.default_rng(1).random((draws, 2))
    rows, odds = (np.tile(row, (draws, 1)) for row in (logits, odds_of(freedom)))
    names = [t.NAMES[token] for token in choose(rows, rows != FORBIDDEN, odds, chances)]
    return {name: names.count(name) / draws for name in sorted(set(names))}


def test_every_token_is_of_one_kind():
    covered = list(chain.from_iterable(tokens for _, tokens in KINDS))

    assert covered == list(range(len(t.NAMES)))
    assert {name for name, _ in KINDS} == {"structure", "rhythm", "pitch"}


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1.0, [4, 3, 2, 1]), (0.95, [4, 3, 2, 1]), (0.85, [4, 3, 2, 0]), (0.5, [4, 3, 0, 0]), (0.01, [4, 0, 0, 0])],
)
def test_a_nucleus_is_the_fewest_likeliest_that_reach_the_share(top_p: float, kept: list[int]):
    weights = np.array([4.0, 3, 2, 1])

    nucleus(weights, top_p)

    assert weights.tolist() == kept


@pytest.mark.parametrize(("weights", "kept"), [([1, 4, 2, 3], [0, 4, 2, 3]), ([3, 1, 2, 4], [3, 0, 2, 4])])
def test_a_nucleus_does_not_depend_on_the_order(weights: list[float], kept: list[float]):
    cut = np.array(weights, dtype=np.float64)

    nucleus(cut, 0.85)

    assert cut.tolist() == kept


@given(
    st.dictionaries(st.integers(0, len(t.NAMES) - 1), st.floats(-80, 80, width=32), min_size=1),
    st.floats(0.05, 20), st.floats(0.01, 1), st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(deadline=None, max_examples=100)
def test_a_forbidden_token_is_never_chosen(possible: dict[int, float], temperature: float, top_p: float, seed: int):
    logits = np.full(len(t.NAMES), FORBIDDEN)
    logits[list(possible)] = list(possible.values())
    freedom = replace(FREE, rhythm=temperature, pitch=temperature, structure=temperature, top_p=top_p)

    (chosen,) = choose(
        logits[None], (logits != FORBIDDEN)[None], odds_of(freedom)[None], np.random.default_rng(seed).random((1, 2))
    )

    assert chosen in possible


def test_a_token_is_chosen_whatever_is_chosen_beside_it():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (8, len(t.NAMES))).astype(np.float32)
    masks, draws = rng.random(logits.shape) < 0.3, rng.random((8, 2))
    odds = np.tile(odds_of(SAFE), (8, 1))

    together = choose(logits, masks, odds, draws)

    alone = [choose(*(rows[i : i + 1] for rows in (logits, masks, odds, draws)))[0] for i in range(8)]
    assert together.tolist() == alone


@pytest.mark.parametrize("chance", [0.0, 1 - 2**-53])
def test_the_ends_of_chance_choose_among_what_may_come(chance: float):
    logits = logits_of(REST=0.1, AT_0=0.3, PITCH_40=1e-30, PITCH_41=0.6)

    (chosen,) = choose(logits[None], (logits != FORBIDDEN)[None], odds_of(FREE)[None], np.array([[chance, chance]]))

    assert t.NAMES[chosen] == ("REST" if chance == 0 else "PITCH 41")


def test_at_temperature_1_tokens_are_drawn_as_often_as_the_network_says():
    logits = logits_of(REST=0.1, REPEAT_4=0.3, AT_0=0.2, PITCH_40=0.25, PITCH_41=0.05, **{"HIT_36": 0.1})

    drawn = shares(logits, FREE)

    assert drawn == pytest.approx(
        {"AT 0": 0.2, "HIT 36": 0.1, "PITCH 40": 0.25, "PITCH 41": 0.05, "REPEAT 4": 0.3, "REST": 0.1}, abs=0.03
    )


def test_a_cool_pitch_does_not_make_repeats_likelier():
    logits = logits_of(REPEAT_1=0.5, PITCH_40=0.3, PITCH_41=0.2)

    drawn = shares(logits, replace(FREE, pitch=0.1))

    assert drawn["REPEAT 1"] == pytest.approx(0.5, abs=0.03)
    assert drawn["PITCH 40"] > 0.45


def test_repeats_are_as_much_rarer_as_asked():
    logits = logits_of(REPEAT_1=0.6, REPEAT_4=0.2, AT_0=0.2)

    drawn = shares(logits, replace(FREE, repeats=0.25))

    assert drawn == pytest.approx({"REPEAT 1": 0.375, "REPEAT 4": 0.125, "AT 0": 0.5}, abs=0.03)


def test_a_nucleus_cuts_no_structure():
    logits = logits_of(REPEAT_1=0.97, REPEAT_2=0.03)

    drawn = shares(logits, replace(FREE, top_p=0.5))

    assert drawn["REPEAT 2"] == pytest.approx(0.03, abs=0.015)


def test_a_kind_that_hardly_ever_comes_can_still_be_chosen():
    # Hot structure lets a kind of tiny weight through, whose cooled weights were then all rounded to nothing.
    logits = logits_of(REST=1.0)
    logits[t.PITCH[40]] = -95.0
    logits[t.PITCH[41]] = -94.0
    freedom = replace(SAFE, structure=200.0)

    drawn = shares(logits, freedom, draws=200)

    assert set(drawn) <= {"REST", "PITCH 40", "PITCH 41"}
    assert len(drawn) > 1


def test_freedom_lies_between_two_rows_of_the_table():
    table = [SAFE, replace(FREE, randomness=0.5), FREE]

    assert freedom_at(table, 0.0) == SAFE
    assert freedom_at(table, 1.0) == FREE
    assert freedom_at(table, 0.25).pitch == pytest.approx(0.75)
    assert freedom_at(table, 0.25).randomness == pytest.approx(0.25)


def test_without_noise_the_embedding_space_is_drawn_from_as_the_probabilities_are():
    network, calm = small_composer(), replace(FREE, noise=0)

    assert compose(network, [1, 2], method="embedding", freedom=calm) == compose(network, [1, 2], freedom=calm)


def test_a_mood_moves_what_is_drawn_from_the_embedding_space():
    network, moody = small_composer(), replace(FREE, rhythm=0.01, pitch=0.01, noise=0.99)
    likeliest = compose(network, [1], freedom=replace(moody, noise=0))

    moved = compose(network, [1], method="embedding", freedom=moody)

    assert moved != likeliest


@pytest.mark.parametrize("method", ["probability", "embedding"])
def test_another_chance_is_another_song(method: Method):
    one, two = compose(small_composer(), [1, 2], method=method)

    assert one != two


@pytest.mark.parametrize("method", ["probability", "embedding"])
def test_a_song_composed_with_others_is_the_song_composed_alone(method: Method):
    network = small_composer()

    together = compose(network, [3, 4], method=method)

    assert together == [song for seed in (3, 4) for song in compose(network, [seed], method=method)]


def test_songs_wait_for_a_place_and_are_the_songs_composed_alone(monkeypatch: pytest.MonkeyPatch):
    network, seeds = small_composer(window=64), [3, 4, 5, 6, 7]
    alone = [song for seed in seeds for song in compose(network, [seed], bars=2)]
    monkeypatch.setattr(sampling, "AT_ONCE", 2)

    together = compose(network, seeds, bars=2)

    assert together == alone


class InStep(PlainDecoder):
    """As on a GPU, but here: one memory for all songs, which are heard in one batch."""

    def __init__(self, network: Composer, songs: int) -> None:
        super().__init__(network, songs)
        self._in_step = True
        self._caches = [Cache(network.architecture, songs, self._device)]


@pytest.mark.parametrize("window", [64, 256])  # songs have 100 to 350 tokens
def test_a_hundred_songs_at_once_as_on_a_gpu_are_the_songs_composed_alone(
    window: int, monkeypatch: pytest.MonkeyPatch
):
    network, seeds = small_composer(window=window), list(range(100))
    monkeypatch.setattr(sampling, "decoder_of", PlainDecoder)
    alone = compose(network, seeds[::5])
    monkeypatch.setattr(sampling, "decoder_of", InStep)
    monkeypatch.setattr(sampling, "AT_ONCE", 100)

    together = compose(network, seeds)

    same = sum(one == other for one, other in zip(together[::5], alone, strict=True))
    assert same > 15  # of 20: the sums of a batch are rounded otherwise
    assert all(len(song.time_signatures) == 1 for song in together)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("window", [64, 256])
def test_a_hundred_songs_at_once_on_a_gpu_are_mostly_the_songs_composed_here(window: int):
    seeds = list(range(100))
    here = compose(small_composer(window=window), seeds[::5])

    there = compose(small_composer(window=window).to("cuda"), seeds)

    same = sum(one == other for one, other in zip(there[::5], here, strict=True))
    assert same > 10  # of 20: the sums are others
    assert all(len(song.time_signatures) == 1 for song in there)


def test_songs_side_by_side_may_differ_in_all_that_was_asked():
    network = small_composer()
    asked = [(1, 1, FREE), (2, 3, FREE), (3, 1, SAFE)]

    readers = compose_streams(network, [make_piece(*each) for each in asked], method="embedding")

    alone = [compose(network, [seed], bars, "embedding", freedom) for seed, bars, freedom in asked]
    assert [[reader.score(160.0)] for reader in readers] == alone


@pytest.mark.parametrize("method", ["probability", "embedding"])
def test_songs_may_be_longer_than_the_network_can_look_back(method: Method):
    network = small_composer(window=64)
    heard = []
    (reader,) = compose_streams(network, [make_piece(2, bars=3)], method=method, on_bar=heard.append)

    score = reader.score(160.0)

    assert reader.ended
    assert len(score.time_signatures) == 3
    assert len(t.encode(score, "heavy-metal")) > 2 * 64
    assert sorted(heard) == heard
    assert set(heard) == set(range(3))


def test_a_guard_has_the_last_word():
    def no_drums(reader: Reader, mask: np.ndarray) -> None:
        if reader.fresh and reader.role == 0:
            mask[:] = False
            mask[t.REST] = True

    (reader,) = compose_streams(small_composer(), [make_piece(1, bars=3, guard=no_drums)], method="probability")

    drums = reader.score(160.0).part("drums")
    assert drums is not None
    assert drums.notes == ()


def test_composing_leaves_the_global_chance_alone():
    np.random.seed(5)
    torch.manual_seed(5)
    expected = (np.random.random(), torch.rand(1).item())
    network = small_composer()
    np.random.seed(5)
    torch.manual_seed(5)

    compose(network, [1], method="embedding")

    assert (np.random.random(), torch.rand(1).item()) == expected

def test_the_more_odds_the_last_pitch_has_the_oftener_a_note_is_struck_again():
    network = small_composer()

    def struck_again(factor: float) -> float:
        songs = compose(network, list(range(8)), bars=4, freedom=replace(FREE, same_pitch=factor))
        lines = [voice(columns(part, song))[1] for song in songs for part in song.parts if part.role != "drums"]
        return float(np.concatenate([np.diff(line) == 0 for line in lines]).mean())

    usual, often, always = (struck_again(factor) for factor in (1, 200, 1e9))

    assert 3 * usual < often < always


def test_drums_have_no_last_pitch_and_other_parts_keep_theirs_through_a_rest():
    reader = Reader(2)
    names = [
        "START", "GENRE heavy-metal", "TEMPO 160", "WITH drums", "WITH bass",
        "BAR 4/4", "AT 0", "HIT 36", "DONE", "AT 0", "DURATION 6", "PITCH 40", "DONE",
        "BAR 4/4", "AT 0", "HIT 36", "DONE",
    ]  # fmt: skip
    heard = []
    for name in names:
        reader.push(t.NAMES.index(name))
        heard.append(reader.last_pitch)

    assert heard == [None] * 11 + [40, None, None, None, None, 40]
