"""Recipes: how a network is trained, as data, and the named ones."""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Literal

from formulanas.errors import InputError, unknown_name


@dataclass(frozen=True)
class Recipe:
    """SGD over `epochs`; learning rates follow the schedule step by step.

    `one-cycle` rises linearly to its peak at the share `warmup` of all steps and falls linearly to zero;
    `cosine` falls from the first step. Images are cropped at random after padding by `crop_padding` pixels.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: Literal["one-cycle", "cosine"] = "cosine"
    warmup: float = 0.25
    label_smoothing: float = 0.0
    crop_padding: int = 4
    flip: bool = True
    norm_momentum: float = 0.1  # of the running statistics of batch norms

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"0 < {name} must hold, but got {getattr(self, name)} (recipe.{name})")
        for name in ("momentum", "warmup", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"0 <= {name} < 1 must hold, but got {getattr(self, name)} (recipe.{name})")
        if self.weight_decay < 0 or self.crop_padding < 0 or not 0 < self.norm_momentum <= 1:
            raise InputError(f"weight_decay and crop_padding are not negative, 0 < norm_momentum <= 1, but got {self}")
        if self.nesterov and not self.momentum:
            raise InputError("nesterov needs a momentum above 0 (recipe.nesterov)")

    @property
    def digest(self) -> str:
        """A short hash of every setting: results of different digests are not compared silently."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:8]

    def scaled(self, epochs: int) -> "Recipe":
        """The same recipe with its schedule stretched or shortened to `epochs`."""
        return replace(self, epochs=epochs)


RECIPES = {
    # Liao et al., 2108.08689; the weight decay is that of the code it builds on
    "cifar": Recipe(epochs=200),
}


def recipe(name: str) -> Recipe:
    """The recipe `name`."""
    if name not in RECIPES:
        raise InputError(unknown_name("recipe", name, RECIPES))
    return RECIPES[name]
