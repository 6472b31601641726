"""What all transforms of a stage share, and what a transform is."""

from collections.abc import Callable
from dataclasses import dataclass

from formulanas.architecture.layers import Activation, BatchNorm, Conv, Layers


@dataclass(frozen=True)
class Style:
    """What all transforms of a stage share.

    A bottleneck is `ratio` of its output wide inside, its 3x3 convolution has `cardinality` groups (ResNeXt, Xie et al.
    2016, 1611.05431), and that of Res2Net runs over `scale` groups of channels. The depthwise convolution of MBConv has
    `kernel` places a side, on `expansion` times the channels that come in.
    """

    activation: str
    bias: bool  # of convolutions
    ratio: float
    cardinality: int
    scale: int
    kernel: int
    expansion: int

    def conv_norm(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> Layers:
        """A convolution and its norm."""
        return Conv(in_channels, out_channels, kernel, stride, groups, self.bias), BatchNorm(out_channels)

    def conv_norm_act(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> Layers:
        """A convolution, its norm and an activation."""
        return (*self.conv_norm(in_channels, out_channels, kernel, stride, groups), Activation(self.activation))

    def norm_act_conv(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> Layers:
        """A norm, an activation, and then the convolution (He et al. 2016, 1603.05027)."""
        conv = Conv(in_channels, out_channels, kernel, stride, groups, self.bias)
        return BatchNorm(in_channels), Activation(self.activation), conv


Layout = Callable[[int, int, int, Style], Layers]  # (in channels, out channels, stride, style)


@dataclass(frozen=True)
class Transform:
    """A residual function: its layers, and all that others need to know of it.

    Its inside may be `ratio` of its output wide; that is then a multiple of what `unit` says for a style.
    """

    layers: Layout
    unit: Callable[[Style], int] | None = None
    is_preactivated: bool = False  # it begins with a norm and an activation
    is_gated: bool = False  # it is a gate, or has one of its own, so that none is put after it
