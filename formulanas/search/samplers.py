"""What proposes bindings, and what stops poor trials at epoch boundaries, by name."""

from collections.abc import Callable

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from formulanas.errors import InputError, unknown_name

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed),
}

PRUNERS: dict[str, Callable[[int], BasePruner]] = {  # each a function of the number of epochs
    "none": lambda epochs: NopPruner(),
    "median": lambda epochs: MedianPruner(n_startup_trials=6, n_warmup_steps=epochs // 2),
    "halving": lambda epochs: SuccessiveHalvingPruner(min_resource=max(1, epochs // 9), reduction_factor=3),
    "hyperband": lambda epochs: HyperbandPruner(max(1, epochs // 9), epochs, reduction_factor=3),
}


def sampler(name: str, seed: int) -> BaseSampler:
    """The sampler `name`, its chance drawn from `seed`."""
    if name not in SAMPLERS:
        raise InputError(unknown_name("sampler", name, SAMPLERS) + " (search.sampler)")
    return SAMPLERS[name](seed % 2**32)


def pruner(name: str, epochs: int) -> BasePruner:
    """The pruner `name` for trials of `epochs` epochs."""
    if name not in PRUNERS:
        raise InputError(unknown_name("pruner", name, PRUNERS) + " (search.pruner)")
    return PRUNERS[name](epochs)
