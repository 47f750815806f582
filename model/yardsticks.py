"""How alike two sets of songs are: overlap of one feature, and how well a classifier tells them apart by all."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GRID_POINTS = 192
FOLDS = 5
NEWTON_STEPS = 25


def bandwidth(values: Floats, sample: int) -> float:
    """Width of the kernels for samples of so many of these values (Scott's rule); never 0."""
    return max(float(values.std()) / float(np.power(sample, 0.2)), 1e-3 * max(1.0, abs(float(values.mean()))))


def overlap(real: Floats, other: Floats, width: float) -> float:
    """Area that the kernel density estimates of two samples share: 1 for the same, 0 for nothing in common.

    Yang and Lerch, "On the evaluation of generative models in music" (2018), take it between distributions of the
    distances from song to song; we take it between those of the values themselves, which also sees two sets that
    spread alike around different values.

    Args:
        real: Values of the real songs; they set the range that is looked at.
        other: Values of the other songs.
        width: Standard deviation of the Gaussian kernels, the same for both.
    """
    low, high = real.min() - 8 * width, real.max() + 8 * width
    grid = np.linspace(low, high, GRID_POINTS)
    one, two = (_density(np.clip(values, low, high), grid, width) for values in (real, other))
    return float(min(np.minimum(one, two).sum() * (grid[1] - grid[0]), 1.0))


def _density(values: Floats, grid: Floats, width: float) -> Floats:
    distances = (grid[:, None] - values[None, :]) / width  # (grid, values)
    density: Floats = np.exp(-0.5 * distances**2).mean(1) / (width * np.sqrt(2 * np.pi))
    return density


Answers = list[tuple[Floats, Floats]]  # for each fold the scores of the songs asked, and their labels


def tell_apart(left: Floats, right: Floats, left_groups: Integers, right_groups: Integers,
               rng: np.random.Generator, *, more_left: Floats | None = None) -> Answers:  # fmt: skip
    """What a classifier that has seen some songs of either set says of the others.

    Args:
        left: Features, shape (songs, features); NaN where one cannot be said.
        right: The same for the other set.
        left_groups: A number for each song, shape (songs,); songs of one group are learned from or asked, not both.
        right_groups: The same for the other set.
        rng: Draws the folds.
        more_left: Features of songs like the left ones that are learned from in every fold and never asked.

    Returns:
        Scores and labels (0 left, 1 right) of each of FOLDS folds that has songs of both sets.
    """
    features = np.concatenate([left, right])
    labels = np.repeat([0.0, 1.0], [len(left), len(right)])
    folds = np.concatenate([_folds(left_groups, rng), _folds(right_groups, rng)])
    always = more_left if more_left is not None else left[:0]
    answers = []
    for fold in range(FOLDS):
        asked = folds == fold
        if len(np.unique(labels[asked])) == 2:
            known = np.concatenate([features[~asked], always])
            weights = fit(standardise(known, known), np.append(labels[~asked], np.zeros(len(always))))
            answers.append((judge(standardise(features[asked], known), weights), labels[asked]))
    return answers


def area_of(answers: Answers) -> float:
    """Area under the receiver operating characteristic, mean over the folds: 0.5 for chance, 1 for always."""
    return float(np.mean([area_under_curve(*fold) for fold in answers])) if answers else 0.5


def resample(answers: Answers, rng: np.random.Generator) -> Answers:
    """The answers for as many songs of either set, drawn with replacement: what other songs might have given."""
    drawn = []
    for scores, labels in answers:
        rows = np.concatenate([rng.choice(np.flatnonzero(labels == each), int((labels == each).sum()))
                               for each in (0, 1)])  # fmt: skip
        drawn.append((scores[rows], labels[rows]))
    return drawn


def _folds(groups: Integers, rng: np.random.Generator) -> Integers:
    """A fold for each song, so that the songs of a group share theirs."""
    _, numbers = np.unique(groups, return_inverse=True)
    return (rng.permutation(numbers.max() + 1) % FOLDS)[numbers]


def standardise(features: Floats, by: Floats) -> Floats:
    """Features with mean 0 and deviation 1 over the songs `by`; what cannot be said becomes the mean."""
    return scale(features, *spread(by))


def spread(features: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each feature over the songs of which it can be said; a deviation of 0 is given as 1."""
    known = ~np.isnan(features)
    counts = np.maximum(known.sum(0), 1)
    mean: Floats = np.where(known, features, 0).sum(0) / counts
    deviation: Floats = np.sqrt((np.where(known, features - mean, 0) ** 2).sum(0) / counts)
    return mean, np.where(deviation > 0, deviation, 1)


def scale(features: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Features in deviations from their mean, at most ten; what cannot be said becomes the mean."""
    standard: Floats = np.nan_to_num((features - mean) / deviation)
    return standard.clip(-10, 10)


def fit(features: Floats, labels: Floats) -> Floats:
    """Weights of a logistic regression with a ridge of 1, and last its constant; labels are 0 and 1.

    Newton's method: it takes some ten steps, and each is a few calls of the linear algebra library, which waits for its
    threads on a busy machine.
    """
    inputs = np.column_stack([features, np.ones(len(features))])
    ridge = np.append(np.ones(features.shape[1]), 1e-6)
    weights = np.zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        chances = 0.5 * (1 + np.tanh(0.5 * (inputs @ weights)))
        slope = inputs.T @ (chances - labels) + ridge * weights
        curvature = (inputs.T * (chances * (1 - chances))) @ inputs + np.diag(ridge)
        weights = _step(inputs, labels, ridge, weights, np.linalg.solve(curvature, slope))
        if np.abs(slope).max() < 1e-6:
            break
    return weights


def judge(features: Floats, weights: Floats) -> Floats:
    """Log odds of label 1 for each song, by what `fit` found."""
    odds: Floats = features @ weights[:-1] + weights[-1]
    return odds


def _step(inputs: Floats, labels: Floats, ridge: Floats, weights: Floats, step: Floats) -> Floats:
    """The weights a step further; half of it, and half again, while it leads uphill."""

    def loss(weights: Floats) -> float:
        scores = inputs @ weights
        return float(np.logaddexp(0, scores).sum() - labels @ scores + 0.5 * ridge @ weights**2)

    here = loss(weights)
    for halvings in range(10):
        there: Floats = weights - step * 0.5**halvings
        if loss(there) <= here:
            return there
    return weights


def area_under_curve(scores: Floats, labels: Floats) -> float:
    """Chance that a song of label 1 scores above one of label 0; a tie counts half."""
    ones, others = scores[labels == 1], np.sort(scores[labels == 0])
    above = (np.searchsorted(others, ones, "left") + np.searchsorted(others, ones, "right")).sum() / 2
    return float(above / (len(ones) * len(others)))
