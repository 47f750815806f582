"""The network reads forward only, remembers what it read, and hears each song by itself."""

import pytest
import torch
from scores import make_score
from small_composer import as_tensors, small_composer

from model import tokens as t
from model.network import Architecture, Cache, Composer, transpose
from model.reader import CLASS_INPUTS, INPUTS, PITCH_INPUTS

BARS = 4


@pytest.fixture(scope="module")
def song() -> tuple[torch.Tensor, torch.Tensor]:
    return as_tensors(t.encode(make_score(BARS), "heavy-metal")[:120], BARS)


@pytest.mark.parametrize("opening", [1, 9, 60])
def test_reading_token_by_token_is_reading_all_at_once(song: tuple[torch.Tensor, torch.Tensor], opening: int):
    tokens, inputs = song
    network = small_composer()
    cache = Cache(network.architecture, 1, torch.device("cpu"))

    with torch.no_grad():
        at_once = network(tokens, inputs)
        steps = [network(tokens[:, :opening], inputs[:, :opening], cache)]
        steps += [network(tokens[:, i : i + 1], inputs[:, i : i + 1], cache) for i in range(opening, tokens.shape[1])]

    torch.testing.assert_close(torch.cat(steps, dim=1), at_once, rtol=1e-4, atol=1e-4)


def test_what_comes_later_changes_nothing_before(song: tuple[torch.Tensor, torch.Tensor]):
    tokens, inputs = song
    network = small_composer()
    other_tokens, other_inputs = tokens.clone(), inputs.clone()
    other_tokens[:, 50:] = t.REST
    other_inputs[:, 50:] = 0

    with torch.no_grad():
        logits, others = network(tokens, inputs), network(other_tokens, other_inputs)

    torch.testing.assert_close(logits[:, :50], others[:, :50])
    assert not torch.allclose(logits[:, 50:], others[:, 50:], atol=1e-2)


def test_what_came_before_matters(song: tuple[torch.Tensor, torch.Tensor]):
    tokens, inputs = song
    network = small_composer()
    changed = tokens.clone()
    changed[:, 2] = t.TEMPO[0]

    with torch.no_grad():
        logits, others = network(tokens, inputs), network(changed, inputs)

    assert not torch.allclose(logits[:, -1], others[:, -1], atol=1e-4)


def test_songs_of_a_batch_do_not_hear_each_other(song: tuple[torch.Tensor, torch.Tensor]):
    tokens, inputs = song
    network = small_composer()
    other = tokens.flip(1)

    with torch.no_grad():
        alone = network(tokens, inputs)
        together = network(torch.cat([tokens, other]), torch.cat([inputs, inputs]))

    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(INPUTS))
def test_every_input_is_heard_at_its_largest(name: str):
    network = small_composer()
    tokens, nothing = torch.tensor([[t.START]]), torch.zeros(1, 1, len(INPUTS), dtype=torch.long)
    full = nothing.clone()
    full[..., list(INPUTS).index(name)] = INPUTS[name] - 1

    with torch.no_grad():
        logits, others = network(tokens, nothing), network(tokens, full)

    assert not torch.allclose(logits, others, atol=1e-5)


def test_no_two_inputs_share_an_embedding():
    network = Composer(Architecture(width=32, layers=1, heads=2, window=16))

    rows = network.known.weight.shape[0]

    assert rows == 1 + sum(size for name, size in INPUTS.items() if name not in CLASS_INPUTS) + 12 * len(CLASS_INPUTS)
    assert int(network.offsets[-1]) + 12 * len(CLASS_INPUTS) == rows


def test_a_new_network_is_as_unsure_as_can_be():
    torch.manual_seed(1)
    network = Composer(Architecture(width=32, layers=2, heads=2, window=64))
    tokens, inputs = as_tensors(t.encode(make_score(1), "heavy-metal")[:40], 1)

    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network(tokens, inputs)[0, :-1], tokens[0, 1:])

    assert abs(loss.item() - torch.log(torch.tensor(len(t.NAMES))).item()) < 1


def test_moving_by_no_step_changes_nothing(song: tuple[torch.Tensor, torch.Tensor]):
    tokens, inputs = transpose(*song, torch.tensor([0]))

    assert torch.equal(tokens, song[0])
    assert torch.equal(inputs, song[1])


def test_moving_up_and_down_again_changes_nothing(song: tuple[torch.Tensor, torch.Tensor]):
    there = transpose(*song, torch.tensor([5]))
    tokens, inputs = transpose(*there, torch.tensor([-5]))

    assert torch.equal(tokens, song[0])
    assert torch.equal(inputs, song[1])


def test_moving_leaves_its_arguments_alone(song: tuple[torch.Tensor, torch.Tensor]):
    tokens, inputs = song[0].clone(), song[1].clone()

    transpose(tokens, inputs, torch.tensor([6]))

    assert torch.equal(tokens, song[0])
    assert torch.equal(inputs, song[1])


def test_each_song_of_a_batch_moves_by_its_own_step():
    tokens = torch.tensor([[t.PITCH[60]], [t.PITCH[60]]])
    inputs = torch.zeros(2, 1, len(INPUTS), dtype=torch.long)
    inputs[..., -1] = 0b100000000001

    tokens, inputs = transpose(tokens, inputs, torch.tensor([-5, 1]))

    assert tokens.flatten().tolist() == [t.PITCH[55], t.PITCH[61]]
    assert inputs[..., -1].flatten().tolist() == [0b000011000000, 0b000000000011]


def test_a_pitch_at_the_edge_stays_a_pitch():
    tokens = torch.tensor([[t.PITCH[127], t.PITCH[0]]])
    inputs = torch.zeros(1, 2, len(INPUTS), dtype=torch.long)
    for name in PITCH_INPUTS:
        inputs[0, :, list(INPUTS).index(name)] = torch.tensor([128, 1])

    up, inputs_up = transpose(tokens, inputs, torch.tensor([6]))
    down, inputs_down = transpose(tokens, inputs, torch.tensor([-5]))

    assert up[0, 0] == t.PITCH[127]
    assert down[0, 1] == t.PITCH[0]
    for name in PITCH_INPUTS:
        assert inputs_up[0, 0, list(INPUTS).index(name)] == 128
        assert inputs_down[0, 1, list(INPUTS).index(name)] == 1


def test_drums_that_were_struck_do_not_move():
    tokens = torch.tensor([[t.HIT[5]]])
    inputs = torch.zeros(1, 1, len(INPUTS), dtype=torch.long)
    column = list(INPUTS).index("own_1")
    inputs[0, 0, column] = 130 + 5

    moved, inputs_moved = transpose(tokens, inputs, torch.tensor([4]))

    assert moved[0, 0] == t.HIT[5]
    assert inputs_moved[0, 0, column] == 130 + 5


def test_all_that_is_heard_lies_on_the_device_of_the_network():
    network, meta = small_composer().to("meta"), torch.device("meta")  # which refuses to add what lies elsewhere
    cache = Cache(network.architecture, 100, meta)
    tokens = torch.zeros(100, 9, dtype=torch.long, device=meta)
    inputs = torch.zeros(100, 9, len(INPUTS), dtype=torch.long, device=meta)

    with torch.no_grad():
        read = network.hidden(tokens, inputs, cache)
        network.forget(cache, 2, 4)
        heard = network(tokens[:, :1], inputs[:, :1], cache)

    assert (read.device, read.shape) == (meta, (100, 9, network.architecture.width))
    assert (heard.device, heard.shape) == (meta, (100, 1, len(t.NAMES)))
    assert (cache.memory.device, cache.length) == (meta, 7)
    with pytest.raises(RuntimeError, match="meta"):
        network.hidden(tokens, torch.zeros(inputs.shape, dtype=torch.long))
