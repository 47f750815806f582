"""The critic prefers what is like real songs, without making all songs one; it survives the trip to disk."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scores import make_score, vary

from model.critic import BadCritic, Critic, critic_path, draw
from model.score import Score


def songs(count: int, seed: int, highest: int) -> list[Score]:
    """Songs that differ in their tune; the higher it may rise, the more."""
    rng = np.random.default_rng(seed)
    return [vary(make_score(bars=6), rng, highest) for _ in range(count)]


@pytest.fixture(scope="module")
def critic() -> Critic:
    return Critic.learn(songs(24, 1, 12), songs(24, 2, 4), {"genre": "polka"})


def test_what_is_like_real_songs_is_likely_to_be_real(critic: Critic):
    assert critic.odds(songs(8, 3, 12)).min() > critic.odds(songs(8, 4, 4)).max()


def test_of_several_takes_the_most_real_one_is_mostly_chosen(critic: Critic):
    takes = [*songs(3, 5, 4), *songs(1, 6, 12)]

    chosen = Counter(critic.choose(takes, np.random.default_rng(seed)) for seed in range(40))

    assert chosen[3] > 30


def test_takes_that_are_equally_likely_are_chosen_equally_often():
    chosen = Counter(draw(np.array([700.0, 700.0, -700.0]), np.random.default_rng(seed)) for seed in range(200))

    assert set(chosen) == {0, 1}
    assert 70 < chosen[0] < 130


def test_odds_decide_how_often_a_take_is_chosen():
    odds = np.log([1.0, 3.0])

    chosen = Counter(draw(odds, np.random.default_rng(seed)) for seed in range(400))

    assert chosen[1] / 400 == pytest.approx(0.75, abs=0.07)


def test_a_feature_that_cannot_be_said_says_nothing(critic: Critic):
    drums = make_score(bars=6, roles=("drums",))

    assert np.isfinite(critic.odds([drums])).all()


def test_a_critic_survives_the_trip_to_disk(critic: Critic, tmp_path: Path):
    path = critic_path(tmp_path / "polka.safetensors")
    critic.save(path)

    again = Critic.load(path)

    takes = songs(4, 7, 8)
    assert path.name == "polka.critic.safetensors"
    assert np.array_equal(again.odds(takes), critic.odds(takes))
    assert again.provenance == {"genre": "polka"}


@pytest.mark.parametrize("damage", [b"", b"no critic"])
def test_a_damaged_critic_says_what_to_do(tmp_path: Path, damage: bytes):
    path = tmp_path / "polka.critic.safetensors"
    path.write_bytes(damage)

    with pytest.raises(BadCritic, match=r"polka\.critic\.safetensors.*run `lnh critic` again"):
        Critic.load(path)
