"""The default: a model proposes the most promising of many mutants of the best candidates."""

import random

import numpy as np

from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History
from formulanas.search.samplers.linear_model import predict

NUM_STARTS = 10  # candidates before the model is asked
RANDOM_SHARE = 0.1  # proposals that are random all the same
NUM_PARENTS = 8
NUM_DRAWS = 40  # random candidates, and mutants of mutants of each parent
NUM_MUTANTS = 10
OPTIMISM = 0.5  # deviations of the prediction that are added to its mean


def surrogate(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """The candidate of the highest upper confidence bound among neighbours of the best, their mutants and draws."""
    if len(history) >= NUM_STARTS and history.told and generator.random() >= RANDOM_SHARE:
        pool = [candidates.draw(generator) for _ in range(NUM_DRAWS)]
        for parent in history.best_first[:NUM_PARENTS]:
            neighbours = candidates.neighbours(parent.values, generator)
            pool += neighbours
            pool += [candidates.mutate(each, generator) for each in neighbours[:NUM_MUTANTS]]
        prediction = predict(candidates, history, pool)
        order = np.argsort(-(prediction.mean + OPTIMISM * prediction.deviation), kind="stable")
        if found := candidates.first_new((pool[place] for place in order), history.known):
            return found
    return candidates.unseen(history.known, generator)
