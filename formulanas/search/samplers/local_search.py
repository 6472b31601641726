"""Local search (White et al. 2021): the best candidate's neighbours, and whenever one is better, its own."""

import random

from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History

NUM_STARTS = 5  # candidates before the climb


def local_search(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """A new neighbour of the best candidate that still has one."""
    if len(history) >= NUM_STARTS:
        for best in history.best_first:
            if found := candidates.first_new(iter(candidates.neighbours(best.values, generator)), history.known):
                return found
    return candidates.unseen(history.known, generator)
