"""The default: of many mutants of the best candidates, the one that a drawn model puts first (Thompson sampling)."""

import random

import numpy as np

from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History
from formulanas.search.samplers.linear_model import predict

NUM_STARTS = 10  # candidates before the model is asked
RANDOM_SHARE = 0.02  # proposals that are random all the same
NUM_PARENTS = 8
NUM_DRAWS = 40  # random candidates, beside the neighbours of the parents
TEMPERATURE = 0.8  # less than a whole draw gets on sooner, more gets stuck less often
NUM_MUTANTS = 10  # of the neighbours of each parent


def surrogate(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """The best, by one draw from the model's posterior, of neighbours of the best candidates, their mutants and draws.

    A draw takes a candidate first as often as it is likely to be the best of them, so that proposals under way differ.
    """
    if len(history) >= NUM_STARTS and history.told and generator.random() >= RANDOM_SHARE:
        pool = [candidates.draw(generator) for _ in range(NUM_DRAWS)]
        for parent in history.best_first[:NUM_PARENTS]:
            neighbours = candidates.neighbours(parent.values, generator)
            pool += neighbours
            pool += [candidates.mutate(each, generator) for each in neighbours[:NUM_MUTANTS]]
        chance = np.random.default_rng(generator.getrandbits(64))
        scores = predict(candidates, history, pool, chance, TEMPERATURE)
        order = np.argsort(-scores, kind="stable")
        if found := candidates.first_new((pool[place] for place in order), history.known):
            return found
    return candidates.unseen(history.known, generator)
