"""Layers as values: what a network is made of, with its parameters and costs, before any is allocated."""

from dataclasses import dataclass

from formulanas.errors import InputError, unknown_name

Shape = tuple[int, int, int]  # (channels, height, width)
ACTIVATIONS = ("relu", "sigmoid", "silu", "gelu", "tanh", "identity")
CONSTRAINTS = (None, "softmax", "sum", "sigmoid")  # on learned coefficients
DISTRIBUTIONS = ("uniform", "bernoulli")
DROPPED = ("image", "unit")  # what stochastic depth keeps or drops


def check_name(kind: str, name: object, known: tuple[str | None, ...]) -> None:
    """Raises InputError for a name that is not in its table: a name that is rendered into code is one of a few."""
    if name not in known:
        raise InputError(unknown_name(kind, name, [each for each in known if each is not None]))


def strided(size: int, stride: int) -> int:
    """The size of a side after a stride, with the usual padding of half a kernel."""
    return -(-size // stride)


class _Free:
    """What a layer is unless it says otherwise: it keeps the shape and costs nothing."""

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that the layer makes of `shape`."""
        return shape

    def num_params(self) -> int:
        """The number of trained parameters."""
        return 0

    def macs(self, shape: Shape) -> int:
        """The multiply-accumulates of one image of `shape`; convolutions and linear layers count."""
        return 0


@dataclass(frozen=True)
class Conv(_Free):
    """A square convolution with the padding that keeps the size, but for the stride."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: bool = False
    bias_start: float = 0.0
    dilation: int = 1

    def __post_init__(self) -> None:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            channels = f"{self.in_channels} and {self.out_channels}"
            raise InputError(f"channels are multiples of the {self.groups} groups of a convolution, but are {channels}")

    def out_shape(self, shape: Shape) -> Shape:
        return self.out_channels, strided(shape[1], self.stride), strided(shape[2], self.stride)

    def num_params(self) -> int:
        return self._weights + self.out_channels * self.bias

    def macs(self, shape: Shape) -> int:
        _, height, width = self.out_shape(shape)
        return self._weights * height * width

    @property
    def _weights(self) -> int:
        return self.out_channels * (self.in_channels // self.groups) * self.kernel**2


@dataclass(frozen=True)
class Linear(_Free):
    """A fully connected layer with bias."""

    in_features: int
    out_features: int

    def out_shape(self, shape: Shape) -> Shape:
        return self.out_features, 1, 1

    def num_params(self) -> int:
        return self.in_features * self.out_features + self.out_features

    def macs(self, shape: Shape) -> int:
        return self.in_features * self.out_features


@dataclass(frozen=True)
class BatchNorm(_Free):
    """Batch normalisation with scale and shift."""

    channels: int

    def num_params(self) -> int:
        return 2 * self.channels


@dataclass(frozen=True)
class Activation(_Free):
    """An elementwise function, by name."""

    name: str

    def __post_init__(self) -> None:
        check_name("activation", self.name, ACTIVATIONS)


@dataclass(frozen=True)
class LayerNorm(_Free):
    """Normalisation of each image over all its channels and places, with scale and shift per channel."""

    channels: int

    def num_params(self) -> int:
        return 2 * self.channels


@dataclass(frozen=True)
class Coefficients(_Free):
    """Learned coefficients with their start values, for `channels` channels (1: for all), under one constraint."""

    starts: tuple[float, ...]
    channels: int
    constraint: str | None

    def __post_init__(self) -> None:
        check_name("constraint", self.constraint, CONSTRAINTS)

    def num_params(self) -> int:
        return len(self.starts) * self.channels


@dataclass(frozen=True)
class RandomCoefficient(_Free):
    """A coefficient drawn for every image while training, `uniform` or `bernoulli`; afterwards its mean."""

    distribution: str
    parameters: tuple[float, ...]

    def __post_init__(self) -> None:
        check_name("distribution", self.distribution, DISTRIBUTIONS)


@dataclass(frozen=True)
class StochasticDepth(_Free):
    """Its input kept with probability `1 - rate` while training, and times `1 - rate` afterwards (1603.09382).

    Chance decides for each image (`per` "image") or for each unit (Swapout, 1605.06465).
    """

    rate: float
    per: str

    def __post_init__(self) -> None:
        check_name("unit of stochastic depth", self.per, DROPPED)


@dataclass(frozen=True)
class SqueezeExcite(_Free):
    """Channels scaled by a gate of their means, through `inside` units (Hu et al. 2017, 1709.01507)."""

    channels: int
    inside: int
    activation: str = "relu"

    def __post_init__(self) -> None:
        check_name("activation", self.activation, ACTIVATIONS)

    def num_params(self) -> int:
        return 2 * self.channels * self.inside + self.inside + self.channels

    def macs(self, shape: Shape) -> int:
        return 2 * self.channels * self.inside


@dataclass(frozen=True)
class MaxPool(_Free):
    """Max pooling with half-kernel padding."""

    kernel: int
    stride: int

    def out_shape(self, shape: Shape) -> Shape:
        return shape[0], strided(shape[1], self.stride), strided(shape[2], self.stride)


@dataclass(frozen=True)
class AvgPool(_Free):
    """The mean over squares of `kernel` places, with half-kernel padding unless the squares lie side by side."""

    kernel: int
    stride: int

    def out_shape(self, shape: Shape) -> Shape:
        return shape[0], strided(shape[1], self.stride), strided(shape[2], self.stride)


@dataclass(frozen=True)
class GlobalAveragePool(_Free):
    """The mean over all places, flattened to features."""

    def out_shape(self, shape: Shape) -> Shape:
        return shape[0], 1, 1


@dataclass(frozen=True)
class PadShortcut(_Free):
    """Every `stride`-th place, with zero channels appended: the shortcut of type A of He et al. (2015)."""

    in_channels: int
    out_channels: int
    stride: int

    def out_shape(self, shape: Shape) -> Shape:
        return self.out_channels, strided(shape[1], self.stride), strided(shape[2], self.stride)


@dataclass(frozen=True)
class Graph(_Free):
    """Layers along the edges of a graph: a node is the sum of what its edges bring, and the outputs are joined.

    The first nodes are the input's channels, split into `inputs` equal parts. Then each node has its edges: the number
    of an earlier node, and the layers from there. `outputs` are the numbers of the nodes that are joined.
    """

    inputs: int
    nodes: "tuple[tuple[tuple[int, Layers], ...], ...]"
    outputs: tuple[int, ...]

    def out_shape(self, shape: Shape) -> Shape:
        shapes = self.shapes(shape)
        return sum(shapes[node][0] for node in self.outputs), *shapes[self.outputs[0]][1:]

    def num_params(self) -> int:
        return sum(layer.num_params() for node in self.nodes for _, layers in node for layer in layers)

    def macs(self, shape: Shape) -> int:
        shapes = self.shapes(shape)
        return sum(macs(layers, shapes[source]) for node in self.nodes for source, layers in node)

    def shapes(self, shape: Shape) -> list[Shape]:
        """The shape of every node. Raises InputError for channels that cannot be split equally."""
        if shape[0] % self.inputs:
            raise InputError(f"{shape[0]} channels cannot be split into the {self.inputs} parts of a transform")
        shapes = [(shape[0] // self.inputs, *shape[1:])] * self.inputs
        for node in self.nodes:
            source, layers = node[0]
            shapes.append(out_shape(layers, shapes[source]))
        return shapes


Layer = (
    Conv
    | Linear
    | BatchNorm
    | LayerNorm
    | Activation
    | Coefficients
    | RandomCoefficient
    | StochasticDepth
    | SqueezeExcite
    | MaxPool
    | AvgPool
    | GlobalAveragePool
    | PadShortcut
    | Graph
)
Layers = tuple[Layer, ...]


def out_shape(layers: Layers, shape: Shape) -> Shape:
    """The shape that `layers`, one after the other, make of `shape`."""
    for layer in layers:
        shape = layer.out_shape(shape)
    return shape


def macs(layers: Layers, shape: Shape) -> int:
    """The multiply-accumulates of one image through `layers`."""
    total = 0
    for layer in layers:
        total += layer.macs(shape)
        shape = layer.out_shape(shape)
    return total
