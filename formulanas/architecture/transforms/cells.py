"""Cells of searched networks as residual functions: small graphs of operations, read from `cells.toml`."""

import functools
import tomllib
from importlib.resources import files
from typing import Any

from formulanas.architecture.layers import Activation, AvgPool, BatchNorm, Conv, Graph, Layers, MaxPool
from formulanas.architecture.transforms.style import Layout, Style
from formulanas.errors import InputError

INPUTS = {"x1": 0, "x2": 1}  # the states one and two blocks back, joined in the transform's argument
CELLS: dict[str, dict[str, Any]] = tomllib.loads(files(__package__).joinpath("cells.toml").read_text("utf-8"))


def _separable(channels: int, kernel: int, stride: int, style: Style, dilation: int = 1) -> Layers:
    """An activation, a depthwise and a pointwise convolution, a norm."""
    return (
        Activation(style.activation),
        Conv(channels, channels, kernel, stride, groups=channels, dilation=dilation),
        Conv(channels, channels, 1),
        BatchNorm(channels),
    )


def _operation(name: str, channels: int, stride: int, style: Style) -> Layers:
    """An operation of a cell, from `channels` to as many."""
    match name.split("_"):
        case ["skip"] if stride == 1:
            return ()
        case ["skip"]:
            return Activation(style.activation), Conv(channels, channels, 1, stride), BatchNorm(channels)
        case ["max", "pool", _]:
            return (MaxPool(3, stride),)
        case ["avg", "pool", _]:
            return (AvgPool(3, stride),)
        case ["sep", "conv", size]:  # twice, as NASNet's
            once = _separable(channels, int(size[0]), stride, style)
            return *once, *_separable(channels, int(size[0]), 1, style)
        case ["dil", "conv", size]:
            return _separable(channels, int(size[0]), stride, style, dilation=2)
    raise ValueError(f"{name} is no operation of a cell")


def cell(name: str, in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """The cell `name`: both states through 1x1 convolutions, then its graph; read by `F[n](x[n-1], x[n-2])`.

    A stride chooses the reduction cell. Where the joined nodes do not give `out_channels`, a 1x1 convolution does.
    """
    if in_channels % 2:
        raise InputError(f"a cell reads two states of one width, F[n](x[n-1], x[n-2]), but got {in_channels} channels")
    kind = "normal" if stride == 1 else "reduction"
    outputs = [2 + len(INPUTS) + node for node in CELLS[name][f"{kind}_outputs"]]
    width = max(1, out_channels // len(outputs))
    enter = Activation(style.activation), Conv(in_channels // 2, width, 1), BatchNorm(width)
    nodes: list[tuple[tuple[int, Layers], ...]] = [((place, enter),) for place in INPUTS.values()]
    for pair in CELLS[name][kind]:
        edges = []
        for edge in pair:
            operation, source = edge.split()
            first = source in INPUTS
            place = 2 + INPUTS[source] if first else 2 + len(INPUTS) + int(source)
            edges.append((place, _operation(operation, width, stride if first else 1, style)))
        nodes.append(tuple(edges))
    graph = Graph(2, tuple(nodes), tuple(outputs))
    joined = width * len(outputs)
    return (graph,) if joined == out_channels else (graph, *style.conv_norm(joined, out_channels))


CELL_LAYOUTS: dict[str, Layout] = {name: functools.partial(cell, name) for name in CELLS}
