"""An algebra: what the operations of a formula mean for one kind of values; by default the linear reading."""

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.coefficients import Scalar, random_mean, start_values

V = TypeVar("V")
Bound = int | Literal["width"] | None  # of channels: a number, the width of the stage, or the end


class Algebra(ABC, Generic[V]):
    """What the operations of a formula mean for one kind of values. Only `computed` and `carry` see a missing value.

    What is not said otherwise is the linear reading: activations, norms and projections are identities, learned
    coefficients have their start values, random ones and stochastic depth their means. It has no products of states,
    and no joined or split channels.
    """

    def computed(self, sequence: str, block: int, value: V | None) -> V | None:
        """Called when `sequence` of `block` has its value, None where it has none; what it returns is kept instead."""
        return value

    @abstractmethod
    def combine(self, terms: list[tuple[Scalar, V]], constant: Scalar) -> V:
        """The sum of `coefficient * value` over `terms`, plus `constant`."""

    @abstractmethod
    def transform(self, name: str, branch: int, block: int, value: V) -> V:
        """Residual function `branch` of block `block`, applied to `value`: it brings it to the block's stage."""

    def operation(self, name: str, value: V, block: int) -> V:
        """The operation `name`, such as relu, applied to `value` in block `block`."""
        return value

    def product(self, factors: list[V]) -> V:
        """The elementwise product of two factors or more."""
        raise InputError("the formula multiplies two states (a gate), which has no linear reading")

    def carry(self, value: V | None, sequence: str, policy: str, stage: int, distance: int) -> V | None:
        """`value`, of `distance` blocks before the first of stage `stage`, brought to the shape of that stage."""
        return value

    def learned(self, group: list[ex.Learn], block: int, stage: int) -> list[V] | list[Scalar]:
        """Learned coefficients of a block, for the shape of stage `stage`; one, or those under one constraint."""
        return start_values(group)

    def random(self, coefficient: ex.Random, block: int) -> V | Scalar:
        """A random coefficient of block `block`."""
        return random_mean(coefficient)

    def drop(self, value: V, rate: Scalar, per: str, block: int) -> V:
        """`value`, each image or each unit of it kept with probability `1 - rate` while training."""
        return self.combine([(1 - rate, value)], Fraction(0))

    def concat(self, parts: list[V]) -> V:
        """The channels of `parts`, joined."""
        raise InputError("the formula joins channels, which has no linear reading")

    def slice(self, value: V, start: Bound, stop: Bound, block: int) -> V:
        """Channels `start` to `stop` of `value`, in block `block`."""
        raise InputError("the formula splits channels, which has no linear reading")
