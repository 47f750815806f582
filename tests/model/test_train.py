"""A network learns from songs, in steps that can be stopped and gone on with."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scores import make_score
from small_composer import as_tensors

from model import tokens as t
from model import train as training
from model.corpus import BadCorpus, Song, as_song
from model.errors import CannotWrite, NeedsOperator
from model.network import Architecture, Composer
from model.score import ROLES
from model.train import BadRun, Judgement, Plan, Progress, Trainer, collate, example, export, read_state, train
from model.weights import load_weights, read_provenance

SMALL = Architecture(width=32, layers=2, heads=2, window=128)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(training, "WINDOW", 128)
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setattr(training, "WARM_UP", 5)
    monkeypatch.setattr(training, "SAVE_EVERY", 10)
    monkeypatch.setattr(training, "SAVE_LEAST", 3)
    monkeypatch.setattr(training, "JUDGEMENTS", 2)
    monkeypatch.setattr(training, "HELD_OUT_WINDOWS", 8)
    yield


@pytest.fixture(scope="module")
def songs() -> list[Song]:
    """Three songs to learn from, of two corpora, and one to be judged by."""
    made = [
        as_song(make_score(16), "one.mid", "heavy-metal", ROLES, held_out=False),
        as_song(make_score(12, tempo_bpm=90.0), "two.mid", "heavy-metal", ROLES, held_out=False),
        as_song(make_score(16, roles=("drums", "bass")), "three.mid", "rock", ROLES, held_out=False),
        as_song(make_score(16, tempo_bpm=200.0), "kept.mid", "heavy-metal", ROLES, held_out=True),
    ]
    return [song for song in made if song]


def make_plan(steps: int, decay: bool = False) -> Plan:
    return Plan(corpora={"heavy-metal": 0.75, "rock": 0.25}, tokens=steps * 128 * 4, decay=decay)


def make_trainer(songs: list[Song], plan: Plan, architecture: Architecture = SMALL) -> Trainer:
    torch.manual_seed(1)
    return Trainer(Composer(architecture), songs, plan)


def weights_of(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.network.parameters()])


def test_the_loss_falls(songs: list[Song], tmp_path: Path):
    losses = []

    train(make_trainer(songs, make_plan(20)), tmp_path, lambda now: losses.append(now.loss))

    assert len(losses) == 20
    assert losses[0] > 5
    assert losses[-1] < losses[0] - 0.5


def test_a_genre_is_judged_by_its_own_songs():
    own = Plan(corpora={"heavy-metal": 0.3, "metal-adjacent": 0.3, "rock": 0.4}, own=["heavy-metal", "metal-adjacent"],
               tokens=512, decay=True)  # fmt: skip

    assert own.judges == ["heavy-metal", "metal-adjacent"]
    assert replace(own, own=[], decay=False).judges == ["rock"]


def test_held_out_songs_are_judged_by_kind_of_token_and_better_in_the_end(songs: list[Song]):
    trainer = make_trainer(songs, make_plan(12))
    before = trainer.held_out_losses()

    for _ in range(12):
        trainer.learn()

    after = trainer.held_out_losses()
    assert set(after) == {"all", "pitch", "drums", "duration", "position", "structure"}
    assert after["all"] < before["all"]
    assert after == trainer.held_out_losses()


def test_held_out_songs_are_never_learned(songs: list[Song]):
    trainer = make_trainer(songs, make_plan(1))

    learned = {song.name for corpus in trainer.learning.values() for song in corpus}

    assert learned == {"one.mid", "two.mid", "three.mid"}
    assert [song.name for song in trainer.judged] == ["kept.mid"]


def test_a_corpus_that_is_not_in_the_plan_is_not_learned(songs: list[Song], tmp_path: Path):
    plan = Plan(corpora={"rock": 1.0}, tokens=1, decay=False)

    trainer = make_trainer(songs, plan)

    assert list(trainer.learning) == ["rock"]
    trainer.judge(tmp_path)
    assert trainer.best is None
    assert not any(tmp_path.iterdir())


def test_a_corpus_with_nothing_to_learn_is_named(songs: list[Song]):
    kept = [replace(song, held_out=True) for song in songs]

    with pytest.raises(BadCorpus, match="heavy-metal"):
        make_trainer(kept, make_plan(1))


@pytest.mark.parametrize("decay", [True, False])
def test_a_run_that_was_stopped_learns_the_same_as_one_that_was_not(songs: list[Song], tmp_path: Path, decay: bool):
    plan = make_plan(8, decay)
    whole, first, second = (make_trainer(songs, plan) for _ in range(3))

    def stop(now: Progress) -> None:
        if now.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    train(whole, tmp_path / "whole", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        train(first, tmp_path / "stopped", stop)
    train(second, tmp_path / "stopped", lambda _: None)

    assert first.step == 5
    assert second.step == whole.step == 8
    assert (second.loss, second.first, second.best) == (whole.loss, whole.first, whole.best)
    assert torch.equal(weights_of(second), weights_of(whole))


def test_a_step_is_never_kept_by_half(songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Ctrl-C between the two optimizers left matrices that had learned and tables that had not.
    whole, stopped, again = (make_trainer(songs, make_plan(3)) for _ in range(3))
    step = stopped.optimizers[0].step
    monkeypatch.setattr(stopped.optimizers[0], "step", lambda: (step(), os.kill(os.getpid(), signal.SIGINT)))

    train(whole, tmp_path / "whole", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, tmp_path / "stopped", lambda _: None)
    train(again, tmp_path / "stopped", lambda _: None)

    assert stopped.step == 1
    assert torch.equal(weights_of(again), weights_of(whole))


def judged_as(monkeypatch: pytest.MonkeyPatch, trainer: Trainer, losses: list[float]) -> None:
    monkeypatch.setattr(trainer, "held_out_losses", lambda: {"all": losses.pop(0)})


def test_a_run_ends_early_when_held_out_songs_are_no_longer_foretold_better(
    songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    trainer = make_trainer(songs, make_plan(50, decay=True))
    judged_as(monkeypatch, trainer, [2.0, 1.5, 1.0, *[1.2] * 20])
    kept = []

    train(trainer, tmp_path, lambda now: kept.append(weights_of(trainer)))

    assert trainer.ending == 2 + training.PATIENCE
    assert trainer.step == trainer.ending + training.PATIENCE
    assert trainer.best == Judgement(step=2, losses={"all": 1.0})
    export(tmp_path, tmp_path / "metal.safetensors", {})
    best = load_weights(tmp_path / "metal.safetensors")
    torch.testing.assert_close(
        torch.cat([parameter.detach().flatten() for parameter in best.parameters()]), kept[1], rtol=1e-2, atol=1e-3
    )


def test_what_the_ending_of_a_run_brings_is_kept(songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    trainer = make_trainer(songs, make_plan(50, decay=True))
    judged_as(monkeypatch, trainer, [2.0, *[2.1] * 5, *[2.1] * 4, 1.0])

    train(trainer, tmp_path, lambda _: None)

    assert trainer.best == Judgement(step=10, losses={"all": 1.0})


def test_a_base_learns_to_the_end_however_its_judgements_rise_and_fall(
    songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    trainer = make_trainer(songs, make_plan(9))
    judged_as(monkeypatch, trainer, [2.0, 1.0, *[1.2] * 8])

    train(trainer, tmp_path, lambda now: None)

    assert trainer.best == Judgement(step=9, losses={"all": 1.2})


def test_a_run_that_ended_early_does_not_go_on(
    songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    trainer, again = make_trainer(songs, make_plan(50, decay=True)), make_trainer(songs, make_plan(50, decay=True))
    judged_as(monkeypatch, trainer, [1.0] * 20)
    train(trainer, tmp_path, lambda _: None)
    steps = []

    train(again, tmp_path, steps.append)

    assert steps == []
    assert again.best == Judgement(step=0, losses={"all": 1.0})


def test_what_was_logged_but_not_kept_is_logged_once(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(12)), tmp_path, lambda _: None)
    log = (tmp_path / "log.jsonl").read_text()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 18}\n{"st')  # and then the power went

    train(make_trainer(songs, make_plan(12)), tmp_path, lambda _: None)

    assert (tmp_path / "log.jsonl").read_text() == log


def test_a_run_on_other_songs_is_refused(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)
    more = [*songs, replace(songs[0], name="more.mid", tokens=songs[0].tokens[:-5])]

    with pytest.raises(BadRun, match="delete it to begin anew"):
        train(make_trainer(more, make_plan(1)), tmp_path, lambda _: None)


def test_a_run_that_is_done_has_nothing_left_to_learn(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(2)), tmp_path, lambda _: None)
    steps = []

    again = make_trainer(songs, make_plan(2))
    train(again, tmp_path, steps.append)

    assert steps == []
    assert again.step == 2


def test_the_rate_warms_up_and_falls_to_nothing_where_the_plan_says_so():
    plan = make_plan(100, decay=True)

    rates = [plan.rate(step) for step in range(100)]

    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[4]
    assert rates == [*rates[:5], *sorted(rates[5:], reverse=True)]
    assert rates[-1] == pytest.approx(0.01)


@pytest.mark.parametrize("ending", [20, 60, 95])
def test_from_where_a_run_ends_early_the_rate_falls_to_nothing(ending: int):
    plan = make_plan(100, decay=True)

    rates = [plan.rate(step, ending) for step in range(ending, plan.steps_from(ending))]

    assert len(rates) == min(training.PATIENCE * plan.save_every, 100 - ending)
    assert rates[0] == plan.rate(ending)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(rates[0] / len(rates))


def test_a_run_on_other_corpora_is_refused(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)
    other = make_trainer(songs, Plan(corpora={"rock": 1.0}, tokens=512, decay=False))

    with pytest.raises(BadRun) as caught:
        train(other, tmp_path, lambda _: None)

    assert str(tmp_path) in str(caught.value)
    assert "--run" in str(caught.value)


def test_a_run_of_another_architecture_is_refused(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)
    other = make_trainer(songs, make_plan(1), Architecture(width=16, layers=1, heads=2, window=128))

    with pytest.raises(BadRun) as caught:
        train(other, tmp_path, lambda _: None)

    assert str(tmp_path) in str(caught.value)


def test_a_run_with_another_vocabulary_is_refused(songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)
    monkeypatch.setattr("model.train.FORMAT", "another")

    with pytest.raises(BadRun, match="vocabulary"):
        train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)


def test_a_run_from_another_base_is_refused(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, replace(make_plan(1), base="one")), tmp_path, lambda _: None)

    with pytest.raises(BadRun, match="another base"):
        train(make_trainer(songs, replace(make_plan(1), base="other")), tmp_path, lambda _: None)


def test_a_run_that_kept_no_base_goes_on(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)
    path = tmp_path / "state.safetensors"
    state = read_state(tmp_path)
    del state["plan"]["base"]
    save_file(load_file(path), path, {"state": json.dumps(state)})
    again = make_trainer(songs, replace(make_plan(2), base="one"))

    train(again, tmp_path, lambda _: None)

    assert again.step == 2


def test_a_disk_that_is_not_ours_to_write_is_said(songs: list[Song], tmp_path: Path):
    (tmp_path / "best.partial").mkdir()

    with pytest.raises(CannotWrite, match=r"best\.safetensors"):
        make_trainer(songs, make_plan(1)).judge(tmp_path)


def test_a_damaged_run_is_refused(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])

    with pytest.raises(BadRun) as caught:
        train(make_trainer(songs, make_plan(1)), tmp_path, lambda _: None)

    assert str(tmp_path) in str(caught.value)


def test_a_run_keeps_a_log_and_nothing_half_written(songs: list[Song], tmp_path: Path):
    train(make_trainer(songs, make_plan(12)), tmp_path, lambda _: None)

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 6, 12]
    assert lines[2]["tokens"] == 12 * 128 * 4
    assert lines[2]["held_out"]["pitch"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", "log.jsonl", "state.safetensors"}


def test_a_run_becomes_weights_to_compose_with(songs: list[Song], tmp_path: Path):
    learned = [replace(song, held_out=False) for song in songs]
    trainer = make_trainer(learned, make_plan(2))
    train(trainer, tmp_path / "run", lambda _: None)

    export(tmp_path / "run", tmp_path / "metal.safetensors", {"seed": 1})

    network = load_weights(tmp_path / "metal.safetensors")
    song = as_tensors(t.encode(make_score(1), "rock"), 1)
    with torch.no_grad():
        torch.testing.assert_close(network(*song), trainer.network(*song), rtol=2e-2, atol=2e-2)
    assert read_provenance(tmp_path / "metal.safetensors") == {"seed": 1}


def test_no_run_cannot_become_weights(tmp_path: Path):
    with pytest.raises(BadRun):
        export(tmp_path, tmp_path / "metal.safetensors", {})
    with pytest.raises(NeedsOperator, match=r"no training state .*delete it to begin anew"):
        read_state(tmp_path)


def test_an_example_is_the_header_and_whole_bars_of_the_song(songs: list[Song]):
    rng = np.random.default_rng(3)
    song = songs[0]

    for _ in range(50):
        tokens, inputs = example(song, rng)

        assert len(tokens) == len(inputs) <= 129
        assert tokens[: song.header].tolist() == song.tokens[: song.header].tolist()
        assert tokens[song.header] in t.BAR


def test_an_example_knows_beside_the_last_token_of_the_header_where_its_bars_are(songs: list[Song]):
    song = songs[0]
    rows = {tuple(song.inputs[bar - 1]) for bar in song.bars}
    rng = np.random.default_rng(4)

    for _ in range(50):
        _, inputs = example(song, rng)

        assert tuple(inputs[song.header - 1]) in rows


def test_songs_begin_and_end_in_some_examples(songs: list[Song]):
    rng = np.random.default_rng(5)

    examples = [example(songs[0], rng)[0] for _ in range(60)]

    ends = sum(int(t.END in tokens) for tokens in examples)
    beginnings = sum(tokens.tolist() == songs[0].tokens[: len(tokens)].tolist() for tokens in examples)
    assert ends >= 5
    assert beginnings >= 5


def test_the_songs_themselves_are_never_changed(songs: list[Song]):
    before = [(song.tokens.copy(), song.inputs.copy()) for song in songs]

    trainer = make_trainer(songs, make_plan(3))
    for _ in range(3):
        trainer.learn()

    for song, (tokens, inputs) in zip(songs, before, strict=True):
        np.testing.assert_array_equal(song.tokens, tokens)
        np.testing.assert_array_equal(song.inputs, inputs)


def test_a_short_song_is_padded_with_what_is_not_judged(songs: list[Song]):
    short = as_song(make_score(1), "short.mid", "rock", ROLES, held_out=False)
    assert short is not None

    tokens, inputs = collate([example(short, np.random.default_rng(1))])

    assert tokens.shape == (1, 129)
    assert inputs.shape[:2] == (1, 129)
    assert tokens[0, : len(short.tokens)].tolist() == short.tokens.tolist()
    assert set(tokens[0, len(short.tokens) :].tolist()) == {training.IGNORED}


def test_corpora_are_drawn_by_their_shares(songs: list[Song]):
    trainer = make_trainer(songs, make_plan(1))
    rng = np.random.default_rng(0)

    genres = [int(token) for _ in range(60) for token in trainer._batch(rng)[0][:, 1]]

    share = genres.count(t.GENRE[t.CORPORA.index("rock")]) / len(genres)
    assert abs(share - 0.25) < 0.1
