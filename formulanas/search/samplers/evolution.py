"""Regularized evolution (Real et al. 2019, AmoebaNet): the fittest of a few mutates, and the oldest dies."""

import random

from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History

POPULATION = 20
TOURNAMENT = 5
NUM_MUTANTS = 20  # of one parent that may all be known, before another parent is chosen
NUM_PARENTS = 5


def evolution(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """A mutant of the best of `TOURNAMENT` among the `POPULATION` latest; at first, and where all are known, a draw."""
    if len(history) >= POPULATION and history.told:
        population = history.told[-POPULATION:]
        for _ in range(NUM_PARENTS):
            fighters = generator.sample(population, min(TOURNAMENT, len(population)))
            parent = max(fighters, key=lambda each: each.value).values
            mutants = (candidates.mutate(parent, generator) for _ in range(NUM_MUTANTS))
            if found := candidates.first_new(mutants, history.known):
                return found
    return candidates.unseen(history.known, generator)
