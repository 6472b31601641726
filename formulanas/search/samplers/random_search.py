"""Random search without repeats: the baseline of every other sampler."""

import random

from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History


def random_search(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """Any candidate that is new."""
    return candidates.unseen(history.known, generator)
