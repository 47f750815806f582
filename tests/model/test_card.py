"""The card of weights tells what their header says, and what was measured."""

import json
from pathlib import Path

import pytest
from small_composer import small_composer

from model.card import OF_THE_HOUSE, OF_THE_OPERATOR, BadFigures, corpora_of, figures_path, write_card
from model.weights import save_weights

OLD_BASE = {"corpora": {"rock": 1.0}, "songs": {"rock": 600}, "tokens_seen": 11_000_000,
            "held_out_loss": {"all": 1.25, "pitch": 1.5}, "base": None, "seed": 1}  # fmt: skip
TUNED = {
    "corpora": {"folk": 1.0}, "songs": {"folk": 40}, "tokens": {"folk": 90_000}, "tokens_seen": 180_000,
    "held_out": {"folk": {"songs": 9, "groups": 7, "of_groups": 44}}, "licences": {"folk": {}},
    "roles": ["drums", "bass"], "first_loss": {"all": 1.5, "pitch": 1.75},
    "held_out_loss": {"all": 1.125, "pitch": 1.375}, "base": OLD_BASE, "seed": 1,
}  # fmt: skip
VERDICT = {"name": "songs", "songs": 128, "held_out": None,
           "all": {"against": 200, "features": [{"name": "tempo", "real": 1.0}],
                   "told_apart": {"value": 0.71, "deviation": 0.02}},
           "middle": [{"feature": "part repeats", "ours": 0.5, "low": 0.4, "high": 0.6}],
           "copied": {"median": 12.0, "most": 30}}  # fmt: skip
FIGURES = {"bars": 48, "real_songs": 200, "held_out_songs": 30, "sets": [VERDICT], "through_tokens": VERDICT,
           "real": VERDICT}  # fmt: skip


def card(tmp_path: Path, provenance: dict[str, object], figures: object = None) -> str:
    save_weights(tmp_path / "polka.safetensors", small_composer(), provenance)
    told = None
    if figures is not None:
        told = tmp_path / "figures.json"
        told.write_text(figures if isinstance(figures, str) else json.dumps(figures))
    return write_card(tmp_path / "polka.safetensors", "polka", told).read_text()


def test_a_card_tells_every_stage_of_learning(tmp_path: Path):
    text = card(tmp_path, TUNED)

    assert "| 1 | rock | 100% | 600 | – | – |" in text
    assert "| 2 | folk | 100% | 40 | 90,000 | 7 of 44 songs, 9 files |" in text
    assert "| 1 | 1.250 | 1.500 | 11,000,000 |" in text
    assert "| 2, before | 1.500 | 1.750 | – |" in text
    assert "| 2 | 1.125 | 1.375 | 180,000 |" in text
    assert "2 layers of width 32" in text
    assert "for drums, bass" in text


def test_the_figures_of_a_card_are_kept_beside_the_weights(tmp_path: Path):
    card(tmp_path, TUNED, FIGURES)
    kept = figures_path(tmp_path / "polka.safetensors")

    assert json.loads(kept.read_text()) == FIGURES
    again = write_card(tmp_path / "polka.safetensors", "polka", kept).read_text()
    assert "told apart" in again
    assert json.loads(kept.read_text()) == FIGURES
    assert not list(tmp_path.glob("*.partial"))


def test_a_card_says_whose_the_songs_are(tmp_path: Path):
    known = TUNED | {"licences": {"folk": {"CC0": 30, "unknown": 19}}}

    own, told = card(tmp_path, TUNED), card(tmp_path, known)

    assert OF_THE_OPERATOR in own
    assert OF_THE_HOUSE in own  # the base's
    assert OF_THE_OPERATOR not in told
    assert "- folk, 30 songs: CC0" in told
    assert OF_THE_HOUSE not in card(tmp_path, known | {"base": None})


def test_a_card_warns_of_few_songs_and_of_imitation(tmp_path: Path):
    text = card(tmp_path, TUNED)

    assert "learned from 40 songs only" in text
    assert "`polka.originality.safetensors`" in text


def test_a_card_tells_of_a_leader_where_there_is_one(tmp_path: Path):
    assert "leader" not in card(tmp_path, TUNED)
    (tmp_path / "polka.leader.safetensors").touch()

    assert "`polka.leader.safetensors`" in card(tmp_path, TUNED)


def test_a_card_tells_of_a_calibration_where_there_is_one(tmp_path: Path):
    assert "calibration" not in card(tmp_path, TUNED)
    (tmp_path / "polka.calibration.safetensors").touch()

    assert "`polka.calibration.safetensors`" in card(tmp_path, TUNED)


def test_without_figures_a_card_tells_how_to_make_them(tmp_path: Path):
    assert "lnh evaluate songs --genre polka" in card(tmp_path, TUNED)


def test_with_figures_a_card_tells_them(tmp_path: Path):
    text = card(tmp_path, TUNED, FIGURES)

    assert "48 bars of each song, beside 200 real ones, 30 of them held out" in text
    assert "| | songs | real songs through tokens | real songs |" in text
    assert "| all, told apart | 0.710 ± 0.020 |" in text
    assert "| part repeats (middle half of real songs) | 0.500 (" in text
    assert "tempo" not in text.partition("How good")[2]


@pytest.mark.parametrize("figures", ["no json", "[]", '{"bars": 48}'])
def test_figures_that_are_none_are_named(tmp_path: Path, figures: str):
    with pytest.raises(BadFigures, match=r"figures\.json"):
        card(tmp_path, TUNED, figures)


def test_weights_that_nobody_judged_say_so(tmp_path: Path):
    assert "No song was held out" in card(tmp_path, TUNED | {"held_out_loss": {}, "first_loss": {}, "base": None})


def test_what_a_base_has_heard_its_children_have_heard():
    assert corpora_of(TUNED) == ["rock", "folk"]
