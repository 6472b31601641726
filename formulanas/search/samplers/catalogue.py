"""The samplers by name: our own are functions that propose a candidate, the others are Optuna's."""

import importlib.util
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from formulanas.errors import InputError, unknown_name
from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.differentiable import differentiable
from formulanas.search.samplers.evolution import evolution
from formulanas.search.samplers.history import History
from formulanas.search.samplers.local_search import local_search
from formulanas.search.samplers.progressive import progressive
from formulanas.search.samplers.random_search import random_search
from formulanas.search.samplers.ranked import ranked
from formulanas.search.samplers.reinforce import reinforce
from formulanas.search.samplers.surrogate import surrogate
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.settings import SearchSettings
from formulanas.search.space.space import Space
from formulanas.seeds import derive_seed

Propose = Callable[[Candidates, History, random.Random], Values | None]  # None: there is nothing new


@dataclass(frozen=True)
class OptunaSampler:
    """One of Optuna's samplers, by its name there; `package` is what it needs beside Optuna."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    package: str | None = None
    several: bool = True  # whether it takes several objectives


SAMPLERS: dict[str, Propose | OptunaSampler] = {
    "surrogate": surrogate,
    "random": random_search,
    "evolution": evolution,
    "local": local_search,
    "progressive": progressive,
    "reinforce": reinforce,
    "tpe": OptunaSampler("TPESampler"),
    "nsga2": OptunaSampler("NSGAIISampler", {"population_size": 20}),
    "gp": OptunaSampler("GPSampler"),
    "cmaes": OptunaSampler("CmaEsSampler", {"warn_independent_sampling": False}, "cmaes", several=False),
}
DIFFERENTIABLE = "differentiable"  # lists its proposals once, from images: `make_sampler` makes it for a search


def make_sampler(name: str, folder: Path, space: Space, proxy: Proxy, seed: int) -> Propose | OptunaSampler:
    """The sampler of a search; that of the differentiable search keeps what it learned in the run's `folder`."""
    if name != DIFFERENTIABLE:
        return find_sampler(name)
    own_seed = derive_seed(seed, "differentiable")
    return ranked(folder / "differentiable.json", lambda: differentiable(space, proxy, proxy.images(), own_seed))


def check_sampler(settings: SearchSettings) -> None:
    """Raises InputError for a sampler that does not exist, is not installed, or does not take the objectives."""
    if settings.sampler != DIFFERENTIABLE:
        sampler = find_sampler(settings.sampler)
        if len(settings.objectives) > 1 and isinstance(sampler, OptunaSampler) and not sampler.several:
            raise InputError(f"the sampler {settings.sampler} has one objective; choose another (search.sampler)")


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
