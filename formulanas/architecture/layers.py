"""Layers as values: what a network is made of, with its parameters and costs, before any is allocated."""

from dataclasses import dataclass

Shape = tuple[int, int, int]  # (channels, height, width)


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
    """A square convolution with half-kernel padding."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: bool = False
    bias_start: float = 0.0

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

    def num_params(self) -> int:
        return len(self.starts) * self.channels


@dataclass(frozen=True)
class RandomCoefficient(_Free):
    """A coefficient drawn for every image while training, `uniform` or `bernoulli`; afterwards its mean."""

    distribution: str
    parameters: tuple[float, ...]


@dataclass(frozen=True)
class StochasticDepth(_Free):
    """Its input kept with probability `1 - rate` while training, and times `1 - rate` afterwards (1603.09382).

    Chance decides for each image (`per` "image") or for each unit (Swapout, 1605.06465).
    """

    rate: float
    per: str


@dataclass(frozen=True)
class SqueezeExcite(_Free):
    """Channels scaled by a gate of their means, through `channels // reduction` units (Hu et al. 2017, 1709.01507)."""

    channels: int
    reduction: int

    def num_params(self) -> int:
        inside = self.channels // self.reduction
        return 2 * self.channels * inside + inside + self.channels

    def macs(self, shape: Shape) -> int:
        return 2 * self.channels * (self.channels // self.reduction)


@dataclass(frozen=True)
class SplitConv(_Free):
    """3x3 convolutions over `scale` groups of channels, each but the first and last fed the one before's output.

    Every group but the last has a convolution with `cardinality` groups of its own, a norm and an activation
    (Res2Net, Gao et al. 2019, 1904.01169). With a stride, groups are not fed, and the last is average-pooled.
    """

    channels: int
    scale: int
    stride: int
    cardinality: int
    bias: bool
    activation: str

    @property
    def conv(self) -> Conv:
        """The convolution of one group."""
        width = self.channels // self.scale
        return Conv(width, width, 3, self.stride, self.cardinality, self.bias)

    def out_shape(self, shape: Shape) -> Shape:
        return self.channels, strided(shape[1], self.stride), strided(shape[2], self.stride)

    def num_params(self) -> int:
        return (self.scale - 1) * (self.conv.num_params() + 2 * self.conv.out_channels)

    def macs(self, shape: Shape) -> int:
        return (self.scale - 1) * self.conv.macs(shape)


@dataclass(frozen=True)
class MaxPool(_Free):
    """Max pooling with half-kernel padding."""

    kernel: int
    stride: int

    def out_shape(self, shape: Shape) -> Shape:
        return shape[0], strided(shape[1], self.stride), strided(shape[2], self.stride)


@dataclass(frozen=True)
class AvgPool(_Free):
    """The mean over squares of `stride` places."""

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
    | SplitConv
    | MaxPool
    | AvgPool
    | GlobalAveragePool
    | PadShortcut
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
