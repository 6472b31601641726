"""A residual function of the Inception type: branches of one, two and three convolutions, joined."""

from formulanas.architecture.layers import Conv, Graph, Layers
from formulanas.architecture.transforms.style import Style


def inception(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """1x1, 1x1-3x3 and 1x1-3x3-3x3, joined, then a linear 1x1 (Inception-ResNet-A of 1602.07261).

    The scale of 0.1 to 0.3 that its residual functions need belongs to the formula.
    """
    inside = max(1, round(out_channels * style.ratio))
    reduced = style.conv_norm_act(in_channels, inside)
    first = style.conv_norm_act(inside, inside, 3, stride)
    branches = (
        style.conv_norm_act(in_channels, inside, 1, stride),
        (*reduced, *first),
        (*reduced, *first, *style.conv_norm_act(inside, inside, 3)),
    )
    joined = Graph(1, tuple(((0, branch),) for branch in branches), (1, 2, 3))
    return joined, Conv(3 * inside, out_channels, 1, bias=True)
