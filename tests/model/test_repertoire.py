"""`lnh genres` shows what can be played, and says plainly what is not known."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from small_composer import small_composer

from model.genre import Genre
from model.repertoire import genres_command
from model.weights import save_weights

BASE = {"songs": {"rock": 700}, "tokens_seen": 20_000_000, "held_out_loss": {"all": 1.2}, "base": None}
TUNED = {"songs": {"heavy-metal": 239}, "tokens_seen": 3_000_000, "held_out_loss": {"all": 0.9381}, "base": BASE}


def a_set(name: str, overlap: float, area: float, named: float | None = 0.7) -> dict[str, Any]:
    likeness = {"overlap": {"value": overlap, "deviation": 0.01}, "told_apart": {"value": area, "deviation": 0.02}}
    return {"name": name, "songs": 128, "held_out": likeness, "all": likeness, "named": named}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)
    return tmp_path / "heavy-metal.safetensors"


def shown() -> str:
    result = CliRunner().invoke(genres_command, env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return result.output


def test_a_genre_is_shown_with_what_it_plays(genre: Genre, weights: Path):
    said = shown()

    assert genre.name in said
    assert "70 to 240 bpm, else 140" in said
    assert "4/4" in said
    assert all(word in said for word in (*genre.aliases, *(player.name for player in genre.players)))


def test_a_genre_without_weights_has_learned_nothing_and_was_not_judged(weights: Path):
    said = shown()

    assert "nothing yet: no " in said
    assert "not yet" in said


def test_tokens_are_counted_with_those_of_the_base(weights: Path):
    save_weights(weights, small_composer(), TUNED)

    assert "239 songs of the genre; 23.0 million tokens seen in all, held-out loss 0.938" in shown()


def test_weights_that_do_not_say_what_they_learned_are_shown_as_such(weights: Path):
    save_weights(weights, small_composer(), {})

    assert "heavy-metal.safetensors does not say" in shown()


def test_figures_are_the_medians_of_all_sets(weights: Path):
    sets = [a_set("one", 0.96, 0.72), a_set("two", 0.98, 0.68), a_set("three", 0.97, 0.71)]
    weights.with_suffix(".figures.json").write_text(json.dumps({"bars": 48, "sets": sets}))

    said = shown()

    assert "overlap with real songs 0.970 (real 1), told from them AUC 0.71 (best 0.5)" in said
    assert "named as heavy-metal 70%" in said
    assert "48 bars, sets one (128 songs), two (128 songs), three (128 songs)" in said


def test_figures_beside_all_songs_are_shown_where_none_was_held_out(weights: Path):
    only = a_set("one", 0.95, 0.80, named=None)
    weights.with_suffix(".figures.json").write_text(json.dumps({"bars": 48, "sets": [{**only, "held_out": None}]}))

    said = shown()

    assert "overlap with real songs 0.950" in said
    assert "named" not in said


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bars": 48, "sets": []}', '{"bars": 48, "sets": [{"songs": 1}]}'])
def test_figures_that_are_none_do_not_hide_the_genre(weights: Path, text: str):
    weights.with_suffix(".figures.json").write_text(text)

    assert "heavy-metal.figures.json cannot be read" in shown()
