"""The fast way of hearing is checked against the plain one, and no song hears what is beside it."""

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from small_composer import inputs_of, small_composer

from model import quick, sampling
from model import tokens as t
from model.choice import choose, odds_of
from model.decoder import Decoder, PlainDecoder, decoder_of
from model.genre import Freedom
from model.network import Architecture, Composer
from model.quick import QuickDecoder, has_fast_products
from model.reader import INPUTS, Reader
from model.sampling import Piece, compose_streams
from model.weights import load_weights, weights_path

OPENING, LENGTH, BARS = 6, 150, 40
LATEST = 48  # tokens that stay beside the opening when a window is full
FREE = Freedom(randomness=1, rhythm=1, pitch=1, structure=1, top_p=1, noise=0.5)
Make = Callable[[Composer, int], Decoder]
kinds_of_decoder = pytest.mark.parametrize("make", [QuickDecoder, PlainDecoder])


def songs(seeds: list[int], length: int = LENGTH) -> tuple[np.ndarray, np.ndarray]:
    """Random streams as tokens (B, T) and inputs (B, T, len(INPUTS))."""
    streams = [list(islice(random_tokens(np.random.default_rng(seed)), length)) for seed in seeds]
    return np.array(streams), np.array([inputs_of(stream, BARS) for stream in streams])


def random_tokens(rng: np.random.Generator) -> Iterator[int]:
    """A stream of tokens drawn evenly from those that the grammar allows."""
    reader = Reader(BARS)
    while not reader.ended:
        token = int(rng.choice(np.flatnonzero(reader.allowed())))
        yield token
        reader.push(token)


def wide_composer(seed: int, layers: int = 4, window: int = 256) -> Composer:
    """As wide as those that play, so that rounding weighs as much as there."""
    torch.manual_seed(seed)
    network = Composer(Architecture(width=256, layers=layers, heads=4, window=window))
    for block in network.blocks:
        torch.nn.init.normal_(block.join.weight, std=0.05)
        torch.nn.init.normal_(block.narrow.weight, std=0.02)
    return network.eval()


def masks_after(stream: list[int], bars: int) -> np.ndarray:
    """Which tokens may come, after the opening and after each token of the rest."""
    reader = Reader(bars)
    masks = []
    for token in stream:
        reader.push(token)
        masks.append(reader.allowed())
    return np.array(masks[OPENING - 1 :])


def divergence(logits: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence in nats, row by row."""
    one, other = (torch.from_numpy(rows).log_softmax(-1) for rows in (logits, others))
    return torch.nan_to_num(one.exp() * (one - other)).sum(-1).numpy()


def hear(decoder: Decoder, tokens: np.ndarray, known: np.ndarray, window: int = 256) -> np.ndarray:
    """Hidden states (B, T - OPENING + 1, width): the opening read at once, the rest step by step."""
    everybody = range(len(tokens))
    heard = [decoder.read(everybody, tokens[:, :OPENING], known[:, :OPENING]).copy()]
    for i in range(OPENING, tokens.shape[1]):
        if decoder.lengths[0] == window:
            decoder.forget(everybody, OPENING, LATEST)
        heard.append(decoder.step(everybody, tokens[:, i], known[:, i]).copy())
    return np.stack(heard, axis=1)


def whole(network: Composer, tokens: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The same without any memory: everything read at once."""
    with torch.no_grad():
        return network.hidden(torch.from_numpy(tokens), torch.from_numpy(known))[:, OPENING - 1 :].numpy()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fast_way_gives_the_logits_of_the_plain_one_token_for_token(seed: int):
    network = wide_composer(seed)
    tokens, known = songs([seed, seed + 10])
    embeddings = network.token.weight.detach().numpy()

    fast = hear(QuickDecoder(network, 2), tokens, known) @ embeddings.T
    plain = whole(network, tokens, known) @ embeddings.T

    assert np.abs(fast - plain).max() < 0.12 * plain.std()
    assert np.abs(fast - plain).mean() < 0.02 * plain.std()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_past_the_window_the_fast_way_goes_on_giving_the_logits_of_the_plain_one(seed: int):
    network = wide_composer(seed, window=64)  # which is full nine times
    tokens, known = songs([seed, seed + 10])
    embeddings = network.token.weight.detach().numpy()

    fast, plain = (hear(make(network, 2), tokens, known, 64) @ embeddings.T for make in (QuickDecoder, PlainDecoder))

    assert np.abs(fast - plain).max() < 0.12 * plain.std()
    assert np.abs(fast - plain).mean() < 0.02 * plain.std()


@kinds_of_decoder
def test_a_layer_that_has_forgotten_hears_as_if_it_had_read_nothing_else(make: Make):
    network = wide_composer(1, layers=1)  # of more layers, the others remember what the first heard
    tokens, known = songs([1, 2], length=OPENING + 100)
    kept = [*range(OPENING), *range(OPENING + 100 - LATEST, OPENING + 100)]

    decoder = make(network, 2)
    hear(decoder, tokens[:, :-1], known[:, :-1])
    decoder.forget([0, 1], OPENING, LATEST - 1)
    heard = decoder.step([0, 1], tokens[:, -1], known[:, -1])

    expected = whole(network, tokens[:, kept], known[:, kept])[:, -1]
    assert decoder.lengths == [OPENING + LATEST] * 2
    np.testing.assert_allclose(heard, expected, atol=1e-3 if make is PlainDecoder else 0.1)


@kinds_of_decoder
def test_a_song_past_the_window_is_heard_to_the_last_bit_as_if_it_were_alone(make: Make):
    network = small_composer(window=64)
    tokens, known = songs([1, 2, 3])
    alone = [hear(make(network, 1), tokens[i : i + 1], known[i : i + 1], 64)[0] for i in range(3)]
    decoder = make(network, 2)
    hear(decoder, tokens[:2, :60], known[:2, :60])

    decoder.read([1], tokens[2:, :OPENING], known[2:, :OPENING])
    for i in range(60, LENGTH):  # each is full when the other is not
        now = [i, i - 60 + OPENING]
        for song in (0, 1):
            if decoder.lengths[song] == 64:
                decoder.forget([song], OPENING, LATEST)
        heard = decoder.step([0, 1], tokens[[0, 2], now], known[[0, 2], now])

        assert np.array_equal(heard[0], alone[0][now[0] - OPENING + 1])
        assert np.array_equal(heard[1], alone[2][now[1] - OPENING + 1])


def test_the_same_seed_chooses_the_same_tokens_by_the_fast_way_and_by_the_plain_one():
    network = load_weights(weights_path("heavy-metal"))
    header = t.header("heavy-metal", 160, ["drums", "rhythm", "bass", "lead"])
    composed: list[int] = []
    piece = Piece(
        header=header, bars=4, freedom=FREE, rng=np.random.default_rng(1),
        guard=lambda reader, _mask: composed.append(reader.last),
    )  # fmt: skip
    compose_streams(network, [piece], method="probability")
    stream = [*header, *composed[1:]]
    tokens, known, masks = np.array([stream]), np.array([inputs_of(stream, 4)]), masks_after(stream, 4)

    nearness = sampling._nearness(network)
    fast, plain = (
        nearness(hidden[0]) for hidden in (hear(QuickDecoder(network, 1), tokens, known), whole(network, tokens, known))
    )
    odds, draws = np.tile(odds_of(FREE), (len(masks), 1)), np.random.default_rng(1).random((len(masks), 2))
    chosen = [choose(logits, masks, odds, draws) for logits in (fast, plain)]
    fast, plain = (np.where(masks, logits, -np.inf).astype(np.float32) for logits in (fast, plain))

    assert divergence(plain, fast).mean() < 0.002
    assert np.mean(chosen[0] == chosen[1]) > 0.9  # the others fell between two tokens


def test_the_plain_way_step_by_step_is_reading_all_at_once():
    network = small_composer()
    tokens, known = songs([1, 2])

    heard = hear(PlainDecoder(network, 2), tokens, known)

    np.testing.assert_allclose(heard, whole(network, tokens, known), rtol=1e-3, atol=1e-3)


@kinds_of_decoder
@pytest.mark.parametrize("seeds", [[1, 2], [3, 4, 5], list(range(8))])
def test_a_song_is_heard_to_the_last_bit_as_if_it_were_alone(make: Make, seeds: list[int]):
    network = wide_composer(1, layers=1)
    tokens, known = songs(seeds, length=80)

    together = hear(make(network, len(seeds)), tokens, known)

    for i in range(len(seeds)):
        alone = hear(make(network, 1), tokens[i : i + 1], known[i : i + 1])
        assert np.array_equal(together[i : i + 1], alone)


@kinds_of_decoder
def test_a_song_goes_on_when_the_one_beside_it_has_ended(make: Make):
    network = small_composer()
    tokens, known = songs([1, 2, 3])
    undisturbed = hear(make(network, 3), tokens, known)
    decoder = make(network, 3)
    hear(decoder, tokens[:, :100], known[:, :100])

    decoder.keep([2, 0])
    heard = np.stack(
        [decoder.step([0, 1], tokens[[2, 0], i], known[[2, 0], i]).copy() for i in range(100, LENGTH)], axis=1
    )

    assert np.array_equal(heard, undisturbed[[2, 0], 100 - OPENING + 1 :])


@kinds_of_decoder
def test_a_song_begins_while_others_go_on(make: Make):
    network = small_composer()
    tokens, known = songs([1, 2, 3])
    alone = [hear(make(network, 1), tokens[i : i + 1], known[i : i + 1])[0] for i in range(3)]
    decoder = make(network, 2)
    hear(decoder, tokens[:2, :100], known[:2, :100])

    heard = [decoder.read([1], tokens[2:, :OPENING], known[2:, :OPENING])[0].copy()]
    for i in range(OPENING, 50):  # the third beside the first, which is longer
        both = (np.array([tokens[0, 94 + i], tokens[2, i]]), np.array([known[0, 94 + i], known[2, i]]))
        beside, own = decoder.step([0, 1], *both).copy()
        assert np.array_equal(beside, alone[0][94 + i - OPENING + 1])
        heard.append(own)

    assert np.array_equal(np.array(heard), alone[2][: len(heard)])


@kinds_of_decoder
def test_reading_anew_forgets_everything(make: Make):
    network = small_composer()
    tokens, known = songs([1, 2])
    fresh = hear(make(network, 1), tokens[:1], known[:1])
    decoder = make(network, 1)
    hear(decoder, tokens[1:], known[1:])

    again = hear(decoder, tokens[:1], known[:1])

    assert np.array_equal(again, fresh)


@kinds_of_decoder
def test_a_window_is_filled_to_its_last_place(make: Make):
    network = small_composer(window=LENGTH)
    tokens, known = songs([1])

    decoder = make(network, 1)
    heard = hear(decoder, tokens, known)

    assert decoder.lengths == [LENGTH]
    assert np.isfinite(heard).all()


@kinds_of_decoder
def test_what_songs_remembered_is_given_back_when_they_have_ended(make: Make):
    # Held in a circle, it stayed for a while: 200 MB more once seven genres had composed.
    tokens, known = songs([0, 1], length=OPENING + 4)
    decoder = make(small_composer(), 2)
    hear(decoder, tokens, known)
    gc.disable()
    try:
        left = weakref.ref(decoder)
        (memory,) = [array for name, array in vars(decoder).items() if name in ("_keys", "_caches")]
        remembered = [weakref.ref(each) for each in (memory if isinstance(memory, list) else [memory])]
        del decoder, memory

        assert left() is None
        assert not any(each() for each in remembered)
    finally:
        gc.enable()


def test_a_network_that_has_learned_nothing_is_heard_without_trouble():
    network = Composer(Architecture(width=32, layers=2, heads=2, window=64)).eval()
    for weight in network.parameters():
        torch.nn.init.zeros_(weight)
    tokens, known = songs([1], length=20)

    assert np.abs(hear(QuickDecoder(network, 1), tokens, known)).max() == 0


@pytest.mark.parametrize("name", list(INPUTS))
def test_every_input_is_looked_up_where_the_network_has_it(name: str):
    network = small_composer()
    tokens, known = songs([1], length=OPENING + 1)
    known[..., list(INPUTS).index(name)] = INPUTS[name] - 1

    embedded = np.empty((1, network.architecture.width), dtype=np.float32)
    QuickDecoder(network, 1)._embeddings(tokens[:, -1], known[:, -1], embedded)

    with torch.no_grad():
        expected = network.token(torch.from_numpy(tokens)) + network._embed(torch.from_numpy(known))
    np.testing.assert_allclose(embedded, expected[:, -1].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fast", [True, False])
def test_products_are_exact_on_every_processor(fast: bool, monkeypatch: pytest.MonkeyPatch):
    if fast and not has_fast_products():
        pytest.skip("this processor has the other way only")
    monkeypatch.setattr(quick, "has_fast_products", lambda: fast)
    rng = np.random.default_rng(1)
    for outputs, inputs, songs in [(768, 256, 1), (256, 1024, 3), (8, 2048, 16)]:
        rows = rng.choice([-127, 127], (songs, inputs))
        weights = rng.choice([-127, 127], (outputs, inputs))
        rows[0] = weights[0] = 127  # as much as there can be
        matrix = quick._Matrix(torch.from_numpy(weights).float())
        matrix.seat(songs)
        matrix.row[:] = rows

        np.testing.assert_array_equal(matrix.product(), rows @ weights.T)


def test_where_compiled_loops_cannot_be_kept_they_are_compiled_each_time(tmp_path: Path):
    code = "import numpy; from model import kernels; kernels.norm(*numpy.ones((2, 1, 4), dtype=numpy.float32))"
    nowhere = {**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator", "NUMBA_CACHE_DIR": str(tmp_path)}

    subprocess.run([sys.executable, "-c", code], env=nowhere, check=True)

    assert not any(tmp_path.iterdir())


def test_loops_that_were_kept_give_what_they_gave_when_they_were_compiled(tmp_path: Path):
    # A worker that had compiled them composed another song for a request than the next, which read them from disk.
    code = (
        "from hashlib import sha256; from test_decoder import *; tokens, known = songs([1], length=100)\n"
        "print(sha256(hear(QuickDecoder(wide_composer(1), 1), tokens, known).tobytes()).hexdigest())"
    )
    here = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}

    compiled, kept = (subprocess.check_output([sys.executable, "-c", code], env=here) for _ in range(2))

    assert kept == compiled


@pytest.mark.parametrize(
    ("architecture", "decoder"),
    [
        (Architecture(), QuickDecoder),
        (Architecture(width=512, heads=8), QuickDecoder),
        (Architecture(width=256, heads=2), PlainDecoder),  # heads wider than the compiled loops
    ],
)
def test_a_network_is_heard_the_fast_way_where_its_heads_fit(architecture: Architecture, decoder: type):
    assert type(decoder_of(Composer(architecture).eval(), 1)) is decoder


def test_elsewhere_songs_are_composed_the_plain_way(monkeypatch: pytest.MonkeyPatch):
    network = small_composer(window=64)
    header = t.header("heavy-metal", 160, ["drums", "bass"])
    monkeypatch.setattr(sampling, "decoder_of", PlainDecoder)

    def compose(seeds: list[int]) -> list[Reader]:
        pieces = [
            Piece(header=header, bars=2, freedom=FREE, guard=lambda *_: None, rng=np.random.default_rng(seed))
            for seed in seeds
        ]
        return compose_streams(network, pieces, method="probability")

    together = [reader.score(160.0) for reader in compose([1, 2, 3])]

    assert together == [compose([seed])[0].score(160.0) for seed in (1, 2, 3)]
    assert all(len(score.time_signatures) == 2 for score in together)


