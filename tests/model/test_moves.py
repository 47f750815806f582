"""What a song's moves tell: steps in time and pitch by player, in any key, and nothing of the line-up."""

from dataclasses import replace

import numpy as np
from scores import make_score, vary

from model.moves import WIDTH, moves
from model.score import ROLES


def test_each_player_has_its_columns_of_length_one():
    found = moves(make_score(8, roles=ROLES), ROLES).reshape(len(ROLES), WIDTH)

    assert np.allclose(np.linalg.norm(found, axis=1), 1)


def test_who_hardly_plays_tells_nothing():
    lead, drums = moves(make_score(8, roles=("lead",)), ["lead", "drums"]).reshape(2, WIDTH)

    assert np.isfinite(lead).all()
    assert np.isnan(drums).all()
    assert np.isnan(moves(make_score(1, roles=("lead",)), ["drums"])).all()


def test_another_key_is_the_same_and_another_tune_is_not():
    song = make_score(8, roles=("lead",))
    (part,) = song.parts
    higher = replace(song, parts=(replace(part, notes=tuple(replace(n, pitch=n.pitch + 5) for n in part.notes)),))
    other = vary(song, np.random.default_rng(1), 7)

    assert np.array_equal(moves(higher, ["lead"]), moves(song, ["lead"]))
    assert not np.allclose(moves(other, ["lead"]), moves(song, ["lead"]))
