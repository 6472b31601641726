"""Residual functions (transforms) by name, each a sequence of layers from one number of channels to another."""

from collections.abc import Callable

from formulanas.architecture.layers import Activation, BatchNorm, Conv, Layers

Transform = Callable[[int, int, int, str], Layers]  # (in channels, out channels, stride, activation)


def basic(in_channels: int, out_channels: int, stride: int, activation: str) -> Layers:
    """Two 3x3 convolutions; the activation that follows belongs to the formula (He et al. 2015, 1512.03385)."""
    return (
        Conv(in_channels, out_channels, 3, stride),
        BatchNorm(out_channels),
        Activation(activation),
        Conv(out_channels, out_channels, 3),
        BatchNorm(out_channels),
    )


def bottleneck(in_channels: int, out_channels: int, stride: int, activation: str) -> Layers:
    """1x1, 3x3 with the stride, 1x1, at a quarter of the width inside (He et al. 2015, 1512.03385)."""
    inside = out_channels // 4
    return (
        Conv(in_channels, inside, 1),
        BatchNorm(inside),
        Activation(activation),
        Conv(inside, inside, 3, stride),
        BatchNorm(inside),
        Activation(activation),
        Conv(inside, out_channels, 1),
        BatchNorm(out_channels),
    )


def preactivation(in_channels: int, out_channels: int, stride: int, activation: str) -> Layers:
    """Norm and activation before each of two 3x3 convolutions (He et al. 2016, 1603.05027)."""
    return (
        BatchNorm(in_channels),
        Activation(activation),
        Conv(in_channels, out_channels, 3, stride),
        BatchNorm(out_channels),
        Activation(activation),
        Conv(out_channels, out_channels, 3),
    )


def preactivation_bottleneck(in_channels: int, out_channels: int, stride: int, activation: str) -> Layers:
    """Norm and activation before each of 1x1, 3x3 with the stride, 1x1 (He et al. 2016, 1603.05027)."""
    inside = out_channels // 4
    return (
        BatchNorm(in_channels),
        Activation(activation),
        Conv(in_channels, inside, 1),
        BatchNorm(inside),
        Activation(activation),
        Conv(inside, inside, 3, stride),
        BatchNorm(inside),
        Activation(activation),
        Conv(inside, out_channels, 1),
    )


def gate(in_channels: int, out_channels: int, stride: int, activation: str) -> Layers:
    """A 3x3 convolution into a sigmoid that starts near closed, at 0.12 (Srivastava et al. 2015, 1505.00387)."""
    return Conv(in_channels, out_channels, 3, stride, bias=True, bias_start=-2.0), Activation("sigmoid")


TRANSFORMS: dict[str, Transform] = {
    "basic": basic,
    "bottleneck": bottleneck,
    "preactivation": preactivation,
    "preactivation_bottleneck": preactivation_bottleneck,
    "gate": gate,
}
