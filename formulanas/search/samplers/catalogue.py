"""The samplers by name: our own are functions that propose a candidate, the others are Optuna's."""

import importlib.util
import random
from collections.abc import Callable
from dataclasses import dataclass

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler

from formulanas.errors import InputError, unknown_name
from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.evolution import evolution
from formulanas.search.samplers.history import History
from formulanas.search.samplers.local_search import local_search
from formulanas.search.samplers.progressive import progressive
from formulanas.search.samplers.random_search import random_search
from formulanas.search.samplers.reinforce import reinforce
from formulanas.search.samplers.surrogate import surrogate

Propose = Callable[[Candidates, History, random.Random], Values | None]  # None: there is nothing new


@dataclass(frozen=True)
class OptunaSampler:
    """One of Optuna's samplers, made from a seed; `package` is what it needs beside Optuna."""

    make: Callable[[int], BaseSampler]
    package: str | None = None
    several: bool = True  # whether it takes several objectives


SAMPLERS: dict[str, Propose | OptunaSampler] = {
    "surrogate": surrogate,
    "random": random_search,
    "evolution": evolution,
    "local": local_search,
    "progressive": progressive,
    "reinforce": reinforce,
    "tpe": OptunaSampler(lambda seed: TPESampler(seed=seed)),
    "nsga2": OptunaSampler(lambda seed: NSGAIISampler(population_size=20, seed=seed)),
    "gp": OptunaSampler(lambda seed: GPSampler(seed=seed)),
    "cmaes": OptunaSampler(
        lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False), "cmaes", several=False
    ),
}


DIFFERENTIABLE = "differentiable"  # needs images beside the history: the search makes it


def check_sampler(name: str) -> None:
    """Raises InputError for what is no sampler's name."""
    if name != DIFFERENTIABLE:
        find_sampler(name)


def find_sampler(name: str) -> Propose | OptunaSampler:
    """The sampler `name`. Raises InputError for an unknown one, and where its package is not installed."""
    if name not in SAMPLERS:
        raise InputError(unknown_name("sampler", name, (*SAMPLERS, DIFFERENTIABLE)) + " (search.sampler)")
    sampler = SAMPLERS[name]
    if isinstance(sampler, OptunaSampler) and sampler.package and not importlib.util.find_spec(sampler.package):
        raise InputError(
            f"the sampler {name} needs the package {sampler.package}; "
            "install it by: pip install 'formulanas[samplers]' (search.sampler)"
        )
    return sampler
