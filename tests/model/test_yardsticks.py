"""The yardsticks themselves: what is alike measures as alike, what differs as different."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.yardsticks import (
    area_of,
    area_under_curve,
    bandwidth,
    fit,
    overlap,
    resample,
    standardise,
    tell_apart,
)


def test_a_sample_overlaps_itself_wholly():
    values = np.random.default_rng(0).normal(size=60)

    assert overlap(values, values, bandwidth(values, 60)) == pytest.approx(1, abs=0.01)


def test_samples_far_apart_do_not_overlap():
    values = np.random.default_rng(0).normal(size=60)

    assert overlap(values, values + 20, bandwidth(values, 60)) == pytest.approx(0, abs=0.01)


def test_the_overlap_of_two_normal_distributions_is_as_in_the_books():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=4000), rng.normal(loc=1, size=4000)

    assert overlap(one, other, 0.1) == pytest.approx(0.617, abs=0.02)  # 2 Φ(-1/2)


def test_constant_samples_overlap_when_they_are_the_same():
    same, other = np.full(10, 3.0), np.full(10, 4.0)
    width = bandwidth(same, 10)

    assert overlap(same, same, width) == pytest.approx(1, abs=0.01)
    assert overlap(same, other, width) == pytest.approx(0, abs=0.01)


@settings(max_examples=100, deadline=None)
@given(*[st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30).map(np.array)] * 2)
def test_an_overlap_is_a_share(real: np.ndarray, other: np.ndarray):
    assert 0 <= overlap(real, other, bandwidth(real, len(real))) <= 1


def test_the_area_under_the_curve_counts_pairs_in_order():
    labels = np.array([0.0, 0.0, 1.0, 1.0])

    assert area_under_curve(np.array([1.0, 2.0, 3.0, 4.0]), labels) == 1
    assert area_under_curve(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 0
    assert area_under_curve(np.array([1.0, 3.0, 2.0, 4.0]), labels) == 3 / 4
    assert area_under_curve(np.zeros(4), labels) == 1 / 2


def test_what_cannot_be_said_becomes_the_mean():
    known = np.array([[1.0, 5.0], [3.0, np.nan]])

    assert standardise(known, known).tolist() == [[-1, 0], [1, 0]]


def test_the_regression_is_at_its_minimum():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(80, 3)), rng.integers(0, 2, 80).astype(float)

    *weights, constant = fit(features, labels)

    chances = 1 / (1 + np.exp(-features @ weights - constant))
    assert chances.sum() == pytest.approx(labels.sum(), abs=0.02)
    assert features.T @ (chances - labels) + weights == pytest.approx(np.zeros(3), abs=0.02)


def test_two_draws_from_one_source_cannot_be_told_apart():
    rng = np.random.default_rng(3)

    areas = [
        area_of(tell_apart(rng.normal(size=(60, 8)), rng.normal(size=(60, 8)), np.arange(60), np.arange(60), rng))
        for _ in range(10)
    ]

    assert np.mean(areas) == pytest.approx(0.5, abs=0.07)


def test_a_feature_that_differs_gives_the_generated_away():
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(60, 8)), rng.normal(size=(60, 8))
    right[:, 2] += 3

    assert area_of(tell_apart(left, right, np.arange(60), np.arange(60), rng)) > 0.95


def test_versions_of_one_song_are_not_learned_by_heart():
    """Ten copies of a few songs looked easy to tell apart while copies lay on both sides of a fold."""
    rng = np.random.default_rng(5)
    originals = rng.normal(size=(20, 30))
    groups = np.repeat(np.arange(10), 10)

    area = np.mean(
        [area_of(tell_apart(originals[:10][groups], originals[10:][groups], groups, groups, rng)) for _ in range(10)]
    )

    assert area < 0.8


def test_more_songs_to_learn_from_tell_apart_what_a_few_do_not():
    rng = np.random.default_rng(4)
    left, right, more = rng.normal(size=(12, 30)), rng.normal(size=(60, 30)), rng.normal(size=(400, 30))
    right[:, :10] += 0.5

    groups = np.arange(12), np.arange(60)
    few = np.mean([area_of(tell_apart(left, right, *groups, rng)) for _ in range(10)])
    many = np.mean([area_of(tell_apart(left, right, *groups, rng, more_left=more)) for _ in range(10)])

    assert few + 0.05 < many


def test_resampled_answers_scatter_around_the_answers():
    rng = np.random.default_rng(6)
    answers = [(rng.normal(size=20) + labels, labels) for labels in [np.repeat([0.0, 1.0], 10)] * 5]

    areas = [area_of(resample(answers, rng)) for _ in range(200)]

    assert np.mean(areas) == pytest.approx(area_of(answers), abs=0.03)
    assert 0.01 < np.std(areas) < 0.1
