"""Features of candidates: one for each value of each symbol, and a kernel that counts what two candidates share."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulanas.formula.bind import Value
from formulanas.search.space.space import Domain, Range, listed

Array = NDArray[np.floating[Any]]

NUM_KNOTS = 7  # of a symbol with more values than that


def features(candidates: Sequence[Mapping[str, Value]], domain_of: Callable[[str], Domain]) -> Array:
    """The features of candidates, (N, D): 1 where a symbol has a value; a number lies between two knots of a range."""
    items: dict[tuple[str, Value], int] = {}  # the same few stand in nearly all candidates
    places = [items.setdefault(item, len(items)) for values in candidates for item in values.items()]
    chosen = np.zeros((len(candidates), len(items)))
    chosen[np.repeat(np.arange(len(candidates)), [len(values) for values in candidates]), places] = 1
    columns: dict[tuple[str, Value], int] = {}
    entries = [
        (place, columns.setdefault((name, knot), len(columns)), weight)
        for (name, value), place in items.items()
        for knot, weight in knots(domain_of(name), value)
    ]
    weights = np.zeros((len(items), len(columns)))
    for place, column, weight in entries:
        weights[place, column] = weight
    return chosen @ weights


def knots(domain: Domain, value: Value) -> tuple[tuple[Value, float], ...]:
    """The knots of a domain that a value lies at or between, with their weights: squares sum to 1."""
    if not isinstance(domain, Range) or (len(listed(domain) or range(NUM_KNOTS + 1)) <= NUM_KNOTS):
        return ((value, 1.0),)
    low, high, at = (math.log(each) if domain.log else float(each) for each in (domain.low, domain.high, float(value)))
    place = (NUM_KNOTS - 1) * (at - low) / (high - low)
    below = min(int(place), NUM_KNOTS - 2)
    share = place - below
    return ((below, math.sqrt(1 - share)), (below + 1, math.sqrt(share)))


def kernel(first: Array, second: Array) -> Array:
    """The covariance of two candidates, (N, M), where every feature and every pair of features adds its own effect.

    All effects have the same variance, so it counts the features that two candidates share, and the pairs of them.
    """
    shared = first @ second.T
    return shared + (shared**2 - first**2 @ (second**2).T) / 2


def effects(matrix: Array, chance: np.random.Generator) -> Array:
    """What drawn effects of all features and pairs of features add up to, for each candidate (N,); see `kernel`."""
    single = chance.standard_normal(matrix.shape[1])
    pairs = np.triu(chance.standard_normal((matrix.shape[1],) * 2), 1)
    return np.asarray(matrix @ single + ((matrix @ pairs) * matrix).sum(1))
