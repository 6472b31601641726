"""A Bayesian linear model of the candidates' ranks on their symbols and pairs of symbols."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Candidates
from formulanas.search.samplers.features import Array, effects, features, kernel
from formulanas.search.samplers.history import History

NOISE = 0.2  # the variance of an observation, in that of the candidates
NUM_BEST, NUM_LATEST = 120, 120  # what the model learns from, where more was told: its cost is cubic in them


def predict(
    candidates: Candidates,
    history: History,
    asked: Sequence[Mapping[str, Value]],
    chance: np.random.Generator | None = None,
    temperature: float = 1.0,
) -> Array:
    """The posterior mean of the scores of `asked`: the normal quantiles of their ranks among what was told.

    With `chance` they are a draw from the posterior, all of them from one drawn model: a draw of the prior, moved by
    what was told as the mean is (Matheron's rule; Wilson et al. 2020, 2002.09309). How far it lies from the mean is
    multiplied by `temperature`.
    """
    quantiles = _normal_quantiles(np.array([each.value for each in history.told]))
    kept = _kept(quantiles)
    count, mean = len(kept), quantiles[kept].mean()
    scores = quantiles[kept] - mean
    matrix = features([*(history.told[place].values for place in kept), *asked], candidates.domain)
    scale = np.sqrt(np.maximum(_diagonal(matrix), 1e-9))
    covariance = kernel(matrix[:count], matrix) / np.outer(scale[:count], scale)
    known = cho_factor(covariance[:, :count] + NOISE * np.eye(count))
    drawn = np.zeros(len(matrix))
    if chance is not None:
        variance = max(scores @ cho_solve(known, scores) / count, 1e-6)  # of the scores, by maximum likelihood
        deviation = temperature * np.sqrt(variance)
        drawn = deviation * effects(matrix, chance) / scale
        scores = scores - deviation * np.sqrt(NOISE) * chance.standard_normal(count)
    return np.asarray(mean + drawn[count:] + covariance[:, count:].T @ cho_solve(known, scores - drawn[:count]))


def _normal_quantiles(values: Array) -> Array:
    """Ranks as normal quantiles: a single very bad candidate then says no more than any other bad one."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values)) + 0.5
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.bincount(group, ranks) / counts)[group]  # equal values have equal ranks
    normal = NormalDist()
    return np.array([normal.inv_cdf(rank / len(values)) for rank in ranks])


def _kept(scores: Array) -> list[int]:
    if len(scores) <= NUM_BEST + NUM_LATEST:
        return list(range(len(scores)))
    best = np.argsort(-scores, kind="stable")[:NUM_BEST]
    return sorted({*best.tolist(), *range(len(scores) - NUM_LATEST, len(scores))})


def _diagonal(matrix: Array) -> Array:
    """The variance of each candidate: the kernel of it with itself."""
    shared = (matrix**2).sum(1)
    return np.asarray(shared + (shared**2 - (matrix**4).sum(1)) / 2)
