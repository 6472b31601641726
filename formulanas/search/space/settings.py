"""What a space file may set beside its formula: the proxy training, the search, limits, a budget, the confirmation."""

from dataclasses import dataclass, field
from typing import Any

from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError, unknown_name

COSTS = ("params", "macs", "latency", "memory")  # objectives beside accuracy, each the smaller the better
MEASURED = ("latency", "memory")  # of these, on the device at hand


@dataclass(frozen=True)
class ProxySettings:
    """The proxy training; what is left out is chosen for the data and device at hand (proxy.py)."""

    dataset: str = "auto"
    backbone: str | Backbone | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    held_out: float | None = None  # the share of the training images that validates


@dataclass(frozen=True)
class SearchSettings:
    """How the space is searched, and for how long."""

    trials: int = 30
    sampler: str = "surrogate"
    pruner: str = "median"
    objectives: tuple[str, ...] = ("accuracy",)  # then costs: params, macs, latency, memory
    rank_by: str | None = None  # a predictor, by which the best of `rank_of` proposals is trained
    rank_of: int = 4

    def __post_init__(self) -> None:
        if not self.objectives or self.objectives[0] != "accuracy" or len(set(self.objectives)) < len(self.objectives):
            raise InputError(
                f"the first objective is accuracy and each stands once, but got {list(self.objectives)} "
                "(search.objectives)"
            )
        for name in self.objectives[1:]:
            if name not in COSTS:
                raise InputError(unknown_name("objective", name, ("accuracy", *COSTS)) + " (search.objectives)")
        if self.rank_of < 1:
            raise InputError(f"1 <= rank_of must hold, but got {self.rank_of} (search.rank_of)")
        if self.trials < 1:
            raise InputError(f"1 <= trials must hold, but got {self.trials} (search.trials)")


@dataclass(frozen=True)
class Limits:
    """What a candidate may cost at most to be trained; None is no limit.

    `growth` is that of the state per block, `variance` its variance after the last block, at initialisation. `latency`
    (milliseconds an image) and `memory` (bytes an image that a training step keeps) are measured on the device.
    """

    params: int | None = None
    macs: int | None = None
    growth: float | None = None
    variance: float | None = None
    latency: float | None = None
    memory: float | None = None

    @property
    def measured(self) -> dict[str, float]:
        """The limits of what is measured, not computed."""
        return {name: limit for name in MEASURED if (limit := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Budget:
    """What every candidate has, to within 2 %, its width scaled: parameters or multiply-accumulates; None: as it is."""

    params: int | None = None
    macs: int | None = None

    def __post_init__(self) -> None:
        if self.params is not None and self.macs is not None:
            raise InputError("a budget is of params or of macs, not of both (budget)")
        for name in ("params", "macs"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"1 <= {name} must hold, but got {value} (budget.{name})")


@dataclass(frozen=True)
class ConfirmSettings:
    """What is trained again, `seeds` times and `factor` times as long: the best `top`, and the best named `points`.

    `audit` more are spread over the rest of the proxy's order. `random_arm` does the same after a random search of as
    many trials, for comparison.
    """

    top: int = 3
    points: int = 1
    audit: int = 0
    seeds: int = 3
    factor: float = 1.5
    random_arm: bool = False

    def __post_init__(self) -> None:
        if self.points < 0 or self.audit < 0:
            raise InputError(f"0 <= points and 0 <= audit must hold, but got {self.points} and {self.audit} (confirm)")
        if self.top < 1 or self.seeds < 1 or self.factor <= 0:
            raise InputError(f"1 <= top, 1 <= seeds and 0 < factor must hold, but got {self} (confirm)")
