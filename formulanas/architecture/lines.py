"""The lines of a forward pass as values: what each computes, from which variables, and what it is for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from formulanas.architecture.layers import ACTIVATIONS, check_name


class Variable(NamedTuple):
    """A variable of the forward pass, or one `item` of a variable that holds several values."""

    name: str
    item: int | None = None


IMAGES = Variable("x")


@dataclass(frozen=True)
class Call:
    """The output of a module, given its arguments."""

    module: str
    inputs: tuple[Variable, ...]


@dataclass(frozen=True)
class JointCall:
    """Several modules that read one value, called at once by a function of the network's runtime.

    `fused` gives the output of each, `fused_sum` their sum, `elsewhere` their sum on the device of their weights.
    """

    function: Literal["fused", "fused_sum", "elsewhere"]
    modules: tuple[str, ...]
    inputs: tuple[Variable, ...]


@dataclass(frozen=True)
class WeightedSum:
    """The sum of the inputs, each times its coefficient, and a constant."""

    coefficients: tuple[float, ...]
    inputs: tuple[Variable, ...]
    constant: float = 0.0


@dataclass(frozen=True)
class Product:
    """The elementwise product of the inputs."""

    inputs: tuple[Variable, ...]


@dataclass(frozen=True)
class Elementwise:
    """An activation of the one input, by its name in the table of activations."""

    function: str
    inputs: tuple[Variable, ...]

    def __post_init__(self) -> None:
        check_name("activation", self.function, ACTIVATIONS)


@dataclass(frozen=True)
class Join:
    """The channels of the inputs, side by side."""

    inputs: tuple[Variable, ...]


@dataclass(frozen=True)
class Slice:
    """The channels `start` to `stop` of the one input; None for its own first and last."""

    start: int | None
    stop: int | None
    inputs: tuple[Variable, ...]


@dataclass(frozen=True)
class BatchSize:
    """The number of images."""

    inputs: tuple[Variable, ...]


@dataclass(frozen=True)
class Bring:
    """The first input on the device of the second."""

    inputs: tuple[Variable, Variable]


Operation = Call | JointCall | WeightedSum | Product | Elementwise | Join | Slice | BatchSize | Bring


@dataclass(frozen=True)
class Line:
    """One assignment of the forward pass: `targets` are the variables that it makes.

    It is part of the equation of `sequence` in `block`; block 0 comes before the first, and the head has a number of
    its own after the last.
    """

    targets: tuple[str, ...]
    operation: Operation
    block: int = 0
    sequence: str = ""
    macs: int = 0

    @property
    def target(self) -> str:
        """The first variable that it makes, the only one unless several modules are called at once."""
        return self.targets[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The variables that it reads, in their order, each as often as it is read."""
        return tuple(variable.name for variable in self.operation.inputs)

    @property
    def module(self) -> str | None:
        """The module that it calls, where it calls one alone."""
        return self.operation.module if isinstance(self.operation, Call) else None

    def reading(self, change: Callable[[Variable], Variable]) -> "Line":
        """The same line with each variable that it reads changed."""
        inputs = tuple(map(change, self.operation.inputs))
        return replace(self, operation=replace(self.operation, inputs=inputs))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Role:
    """What a module is for: `name` is the transform's, or that of the sequence that is carried into `stage`.

    `block` counts from 1 through the whole network and is 0 for what serves a whole stage; `number` is that of a
    transform among those of its name, or how many blocks back the carried value lies.
    """

    kind: Literal["stem", "head", "transform", "gate", "carry", "norm", "shared norm", "learned", "random", "drop"]
    stage: int = 0
    block: int = 0
    name: str = ""
    number: int = 1
