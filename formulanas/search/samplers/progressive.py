"""Progressive search (Liu et al. 2018, PNASNet): small candidates first, their best grown by what a model predicts."""

import random

import numpy as np

from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History
from formulanas.search.samplers.linear_model import predict

BEAM = 8  # candidates of each size, before the next larger size; twice as many in the next round
NUM_DRAWS = 60


def progressive(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """The best predicted candidate of the smallest size that has room, grown from the best of the sizes below.

    The size is the sum of the symbols that bound a sum: history depth, number of residual functions.
    """
    pool = [candidates.draw(generator) for _ in range(NUM_DRAWS)]
    for parent in history.best_first[:BEAM]:
        pool += candidates.neighbours(parent.values, generator)
    if len(history.told) >= BEAM:
        order = np.argsort(-predict(candidates, history, pool), kind="stable")
        pool = [pool[place] for place in order]
    counts: dict[float, int] = {}
    for values in (*(each.values for each in history.told), *history.pending):
        counts[candidates.size(values)] = counts.get(candidates.size(values), 0) + 1
    by_size: dict[float, list[Values]] = {}
    for values in pool:
        by_size.setdefault(candidates.size(values), []).append(values)

    def room(size: float) -> tuple[int, float]:
        return (counts.get(size, 0) // BEAM + 1).bit_length(), size

    for size in sorted(by_size, key=room):
        if found := candidates.first_new(iter(by_size[size]), history.known):
            return found
    return candidates.unseen(history.known, generator)
