"""The residual function of Res2Net: a bottleneck whose 3x3 convolution runs over groups of channels in turn."""

from formulanas.architecture.layers import AvgPool, Graph, Layers
from formulanas.architecture.transforms.style import Style


def res2net(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Each of `scale` groups but the last is convolved with the output of the one before added (1904.01169).

    Where the shape changes groups are not fed, and the last is average-pooled, as in the paper's code.
    """
    inside = round(out_channels * style.ratio)
    width, scale = inside // style.scale, style.scale
    conv = style.conv_norm_act(width, width, 3, stride, style.cardinality)
    if stride != 1 or in_channels != out_channels:
        nodes = [((group, conv),) for group in range(scale - 1)]
        graph = Graph(scale, (*nodes, ((scale - 1, (AvgPool(3, stride),)),)), tuple(range(scale, 2 * scale)))
    else:
        chain: list[tuple[tuple[int, Layers], ...]] = [((0, conv),)]
        outputs = [scale]  # the number of each group's output
        for group in range(1, scale - 1):
            chain.append(((group, ()), (outputs[-1], ())))
            chain.append(((scale + len(chain) - 1, conv),))
            outputs.append(scale + len(chain) - 1)
        graph = Graph(scale, tuple(chain), (*outputs, scale - 1))
    return *style.conv_norm_act(in_channels, inside), graph, *style.conv_norm(inside, out_channels)
