"""The learning rate at each step, as a share of the recipe's."""

import math
from typing import assert_never

from formulanas.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, num_steps: int) -> float:
    """The learning rate of step `step` of `num_steps`, counted from 0."""
    done = (step + 1) / (num_steps + 1)
    match recipe.schedule:
        case "one-cycle":
            share = done / recipe.warmup if done < recipe.warmup else (1 - done) / (1 - recipe.warmup)
        case "cosine":
            share = (1 + math.cos(math.pi * step / num_steps)) / 2
        case "warmup-cosine":
            rising = recipe.warmup * num_steps
            fallen = (step - rising) / (num_steps - rising)
            share = (step + 1) / (rising + 1) if step < rising else (1 + math.cos(math.pi * fallen)) / 2
        case "steps":
            passed = sum(step * recipe.epochs >= each * num_steps for each in recipe.milestones)
            factors = recipe.factors if len(recipe.factors) > 1 else recipe.factors * len(recipe.milestones)
            share = math.prod(factors[:passed])
        case _:
            assert_never(recipe.schedule)
    return recipe.learning_rate * share
