"""A Bayesian linear model of the candidates' ranks on their symbols and pairs of symbols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Candidates
from formulanas.search.samplers.features import Array, features, kernel
from formulanas.search.samplers.history import History

NOISE = 0.2  # the variance of an observation, in that of the candidates
NUM_BEST, NUM_LATEST = 200, 200  # what the model learns from, where more was told


@dataclass(frozen=True)
class Prediction:
    """Mean and deviation of candidates' scores, the normal quantiles of their ranks among what was told."""

    mean: Array
    deviation: Array


def predict(candidates: Candidates, history: History, asked: Sequence[Mapping[str, Value]]) -> Prediction:
    """The posterior for the candidates `asked`.

    What is pending counts as observed at its own prediction: it makes its like more certain, but no better.
    """
    quantiles = _normal_quantiles(np.array([each.value for each in history.told]))
    kept = _kept(quantiles)
    scores = quantiles[kept]
    told = [history.told[place].values for place in kept]
    matrix = features([*told, *history.pending, *asked], candidates.domain)
    matrix_known, matrix_asked = np.split(matrix, [len(told) + len(history.pending)])
    scales = [np.sqrt(np.maximum(_diagonal(part), 1e-9)) for part in (matrix_known, matrix_asked)]
    among = kernel(matrix_known, matrix_known) / np.outer(scales[0], scales[0])
    across = kernel(matrix_known, matrix_asked) / np.outer(scales[0], scales[1])
    among[np.diag_indices_from(among)] += NOISE

    mean = scores.mean()
    count = len(told)
    weights = np.linalg.solve(among[:count, :count], scores - mean)
    deviation = np.sqrt(max((scores - mean) @ weights / count, 1e-6))  # of the scores, by maximum likelihood
    explained = (across * np.linalg.solve(among, across)).sum(0)
    return Prediction(mean + across[:count].T @ weights, deviation * np.sqrt(np.maximum(1 - explained, 1e-9)))


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
