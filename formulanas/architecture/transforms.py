"""Residual functions (transforms) by name, each a sequence of layers from one number of channels to another."""

from collections.abc import Callable
from dataclasses import dataclass

from formulanas.architecture.layers import Activation, BatchNorm, Conv, Layers, SplitConv


@dataclass(frozen=True)
class Style:
    """What all transforms of a backbone share.

    A bottleneck is `ratio` of its output wide inside, its 3x3 convolution has `cardinality` groups (ResNeXt, Xie et al.
    2016, 1611.05431), and that of Res2Net runs over `scale` groups of channels.
    """

    activation: str
    bias: bool  # of convolutions
    ratio: float
    cardinality: int
    scale: int


Transform = Callable[[int, int, int, Style], Layers]  # (in channels, out channels, stride, style)


def basic(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Two 3x3 convolutions; the activation that follows belongs to the formula (He et al. 2015, 1512.03385)."""
    return (
        Conv(in_channels, out_channels, 3, stride, bias=style.bias),
        BatchNorm(out_channels),
        Activation(style.activation),
        Conv(out_channels, out_channels, 3, bias=style.bias),
        BatchNorm(out_channels),
    )


def bottleneck(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """1x1, 3x3 with the stride, 1x1 (He et al. 2015, 1512.03385); with groups, the block of ResNeXt."""
    inside = round(out_channels * style.ratio)
    conv = Conv(inside, inside, 3, stride, style.cardinality, style.bias)
    return _narrowed(in_channels, inside, out_channels, style, (conv, BatchNorm(inside), Activation(style.activation)))


def res2net(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """A bottleneck whose 3x3 convolution runs over groups of channels in turn (Gao et al. 2019, 1904.01169)."""
    inside = round(out_channels * style.ratio)
    split = SplitConv(inside, style.scale, stride, style.cardinality, style.bias, style.activation)
    return _narrowed(in_channels, inside, out_channels, style, (split,))


def _narrowed(in_channels: int, inside: int, out_channels: int, style: Style, middle: Layers) -> Layers:
    """`middle`, which keeps `inside` channels, between two 1x1 convolutions."""
    return (
        Conv(in_channels, inside, 1, bias=style.bias),
        BatchNorm(inside),
        Activation(style.activation),
        *middle,
        Conv(inside, out_channels, 1, bias=style.bias),
        BatchNorm(out_channels),
    )


def preactivation(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Norm and activation before each of two 3x3 convolutions (He et al. 2016, 1603.05027)."""
    return (
        BatchNorm(in_channels),
        Activation(style.activation),
        Conv(in_channels, out_channels, 3, stride, bias=style.bias),
        BatchNorm(out_channels),
        Activation(style.activation),
        Conv(out_channels, out_channels, 3, bias=style.bias),
    )


def preactivation_bottleneck(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Norm and activation before each of 1x1, 3x3 with the stride, 1x1 (He et al. 2016, 1603.05027)."""
    inside = round(out_channels * style.ratio)
    return (
        BatchNorm(in_channels),
        Activation(style.activation),
        Conv(in_channels, inside, 1, bias=style.bias),
        BatchNorm(inside),
        Activation(style.activation),
        Conv(inside, inside, 3, stride, style.cardinality, style.bias),
        BatchNorm(inside),
        Activation(style.activation),
        Conv(inside, out_channels, 1, bias=style.bias),
    )


def gate(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """A 3x3 convolution into a sigmoid that starts near closed, at 0.12 (Srivastava et al. 2015, 1505.00387)."""
    return Conv(in_channels, out_channels, 3, stride, bias=True, bias_start=-2.0), Activation("sigmoid")


TRANSFORMS: dict[str, Transform] = {
    "basic": basic,
    "bottleneck": bottleneck,
    "res2net": res2net,
    "preactivation": preactivation,
    "preactivation_bottleneck": preactivation_bottleneck,
    "gate": gate,
}
