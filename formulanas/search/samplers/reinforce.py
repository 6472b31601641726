"""Reinforcement learning (Zoph and Le 2017, NASNet): a policy over the symbols, moved by REINFORCE with a baseline."""

import math
import random
from collections.abc import Mapping

from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History
from formulanas.search.space.space import Domain, draw, listed

LEARNING_RATE = 0.3
DECAY = 0.9  # of the baseline, a moving average of the rewards
NUM_LATEST = 300  # the policy is that of the latest trials
NUM_DRAWS = 50  # from the policy, before any new candidate is taken

Policy = dict[str, dict[Value, float]]  # the logit of each value of each symbol


def reinforce(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
    """A new candidate drawn from the policy that the history taught."""
    policy = learn(candidates, history)
    draws = (
        candidates.space.choose(lambda name, domain: _draw(policy, name, domain, generator)) for _ in range(NUM_DRAWS)
    )
    return candidates.first_new(draws, history.known) or candidates.unseen(history.known, generator)


def learn(candidates: Candidates, history: History) -> Policy:
    """The policy after all trials, in their order; a reward is the share of trials that were no better, in -1 to 1."""
    ordered = sorted(each.value for each in history.told)
    rank = {value: place for place, value in enumerate(ordered)}
    policy: Policy = {}
    baseline = 0.0
    for each in history.told[-NUM_LATEST:]:
        reward = 2 * (rank[each.value] + 0.5) / len(ordered) - 1
        for name, value in each.values.items():
            choices = listed(candidates.domain(name))
            if choices is None:
                continue  # a real number is drawn evenly
            logits = policy.setdefault(name, dict.fromkeys(choices, 0.0))
            chances = _softmax(logits)
            for choice in logits:
                logits[choice] += LEARNING_RATE * (reward - baseline) * ((choice == value) - chances[choice])
        baseline += (1 - DECAY) * (reward - baseline)
    return policy


def _draw(policy: Policy, name: str, domain: Domain, generator: random.Random) -> Value:
    if name not in policy:
        return draw(domain, generator)
    chances = _softmax(policy[name])
    return generator.choices(list(chances), list(chances.values()))[0]


def _softmax(logits: Mapping[Value, float]) -> dict[Value, float]:
    top = max(logits.values())
    powers = {value: math.exp(logit - top) for value, logit in logits.items()}
    total = sum(powers.values())
    return {value: power / total for value, power in powers.items()}
