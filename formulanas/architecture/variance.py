"""Variance growth: the variance of the state after each block at initialisation, before anything is trained.

The plan of a network is read with draws for values. The assumptions are the usual ones (He et al. 2015, 1502.01852):
what a convolution makes is Gaussian, and independent of its input and of every other. Draws that are added, subtracted
or multiplied stay paired, so that F[n-1], once in the state and once subtracted, cancels.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

import numpy as np

from formulanas.architecture import layers as spec
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.layers import Layers
from formulanas.architecture.lines import (
    BatchSize,
    Bring,
    Call,
    Elementwise,
    Join,
    JointCall,
    Line,
    Product,
    Slice,
    WeightedSum,
)
from formulanas.architecture.signal import (
    NORM_EPSILON,
    Draws,
    Signal,
    averaged,
    joined,
    mean_square,
    normalised,
    together,
)
from formulanas.errors import InputError

NUM_DRAWS = 1 << 14  # the deviation of a variance is about 1 %
ACTIVATIONS: dict[str, Callable[[Draws], Draws]] = {
    "relu": lambda draws: np.maximum(draws, 0),
    "sigmoid": lambda draws: 1 / (1 + np.exp(-draws)),
    "silu": lambda draws: draws / (1 + np.exp(-draws)),
    "gelu": lambda draws: draws * (1 + np.vectorize(math.erf)(draws / math.sqrt(2))) / 2,
    "tanh": np.tanh,
    "identity": lambda draws: draws,
}


@dataclass(frozen=True)
class VarianceGrowth:
    """The variance of the stem's output, and of the state after each block; 0 where none is made."""

    stem: float
    blocks: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """The factor by which each block changes the variance; infinite where there was none before."""
        before = (self.stem, *self.blocks)
        return tuple(now / last if last else math.inf for last, now in zip(before, self.blocks, strict=False))


def variance(architecture: Architecture, seed: int = 0, num_draws: int = NUM_DRAWS) -> VarianceGrowth:
    """The variance growth of a network, for images of variance 1 with independent places, and norms that see batches.

    The variance is over images, channels, places, weights, and what chance decides in training. Maxima over places
    count as the identity. `seed` is that of the draws, and the relative deviation of what they say about
    sqrt(2 / num_draws). Raises InputError where the state grows beyond all numbers.
    """
    plan = architecture.plan
    reader = _Reader(np.random.default_rng(seed), num_draws)
    with np.errstate(over="ignore", invalid="ignore"):
        values = reader.read(plan.lines[:-1], plan.modules, architecture.image)
        states = [plan.states.get(("x", block)) for block in range(len(architecture.backbone.stages) + 1)]
        stem, *blocks = (0.0 if state is None else values[state.name][0].variance for state in states)
    if not np.isfinite(blocks).all():
        raise InputError("the variance of the state grows beyond all numbers")
    return VarianceGrowth(stem, tuple(blocks))


@dataclass
class _Reader:
    chance: np.random.Generator
    num_draws: int
    steady: dict[tuple[str, spec.Layer], Draws] = field(default_factory=dict)  # of a convolution, at every call
    module: str = ""  # the one that is called

    def read(self, lines: Sequence[Line], modules: Mapping[str, Layers], image: spec.Shape) -> dict[str, list[Signal]]:
        """The values of all variables, of which some hold several."""
        channels, *size = image
        images = Signal((channels,), (self.normal(),), (size[0], size[1]))
        values: dict[str, list[Signal]] = {"x": [images]}
        for line in lines:
            inputs = [values[variable.name][variable.item or 0] for variable in line.operation.inputs]
            match line.operation:
                case Call(module):
                    layers, self.module = modules[module], module
                    made = list(self.chosen(layers[0])) if not inputs or line.inputs == ("batch",) else []
                    values[line.target] = made or [self.through(layers, inputs[0])]
                case WeightedSum(coefficients, _, constant):
                    values[line.target] = [together(inputs, functools.partial(_sum, coefficients, constant))]
                case Product():
                    values[line.target] = [together(inputs, lambda draws: functools.reduce(operator.mul, draws))]
                case Elementwise(function):
                    values[line.target] = [inputs[0].map(ACTIVATIONS[function])]
                case Join():
                    values[line.target] = [joined(inputs)]
                case Slice(start, stop):
                    first, last, _ = slice(start, stop).indices(inputs[0].width)
                    values[line.target] = [inputs[0].between(first, last)]
                case BatchSize() | Bring():
                    values[line.target] = inputs[:1]
                case JointCall():
                    raise AssertionError("a plan that nobody has rewritten calls modules one by one")
                case _:
                    assert_never(line.operation)
        return values

    def normal(self) -> Draws:
        return normalised(self.chance.standard_normal(self.num_draws))

    def chosen(self, layer: spec.Layer) -> Iterator[Signal]:
        """The coefficients that a layer without an input gives, at their start."""
        match layer:
            case spec.Coefficients(starts, _, constraint):
                values = np.array(starts)
                if constraint == "softmax":
                    values = np.exp(values - values.max())
                if constraint in ("softmax", "sum"):
                    values = values / values.sum()
                yield from (self.coefficient(np.full(self.num_draws, value)) for value in values)
            case spec.RandomCoefficient("bernoulli", (probability, *_)):
                yield self.coefficient((self.chance.random(self.num_draws) < probability).astype(np.float64))
            case spec.RandomCoefficient(_, (low, high, *_)):
                yield self.coefficient(low + (high - low) * self.chance.random(self.num_draws))

    def coefficient(self, draws: Draws) -> Signal:
        return Signal((1,), (draws,), (1, 1))

    def through(self, layers: Layers, signal: Signal) -> Signal:
        """What `layers`, as they are initialised, make of a signal."""
        for layer in layers:
            _, height, width = layer.out_shape((signal.width, *signal.size))
            signal = replace(self.layer(layer, signal), size=(height, width))
        return signal

    def layer(self, layer: spec.Layer, signal: Signal) -> Signal:
        match layer:
            case spec.Conv():
                return self.convolution(layer, signal)
            case spec.BatchNorm() if signal.steady is not None:  # it takes away what all images have in common
                return signal.map(lambda draws: self.normal())
            case spec.BatchNorm():
                return signal.map(normalised)
            case spec.LayerNorm():
                mean, deviation = signal.mean, math.sqrt(signal.variance + NORM_EPSILON)
                return signal.map(lambda draws: (draws - mean) / deviation)
            case spec.Activation(name):
                return signal.map(ACTIVATIONS[name])
            case spec.SqueezeExcite():  # its gate starts near a half
                return signal.map(lambda draws: draws / 2)
            case spec.StochasticDepth(rate):
                kept = self.chance.random(self.num_draws) >= rate
                return signal.map(lambda draws: draws * kept)
            case spec.PadShortcut(inputs, outputs):
                added = (outputs - inputs,) if outputs > inputs else ()
                zeros = (np.zeros(self.num_draws),) if added else ()
                return Signal((*signal.channels, *added), (*signal.draws, *zeros), signal.size)
            case spec.AvgPool(kernel):
                return averaged(signal, kernel**2)
            case spec.Graph():
                return self.graph(layer, signal)
            case spec.MaxPool() | spec.GlobalAveragePool() | spec.Linear():
                return signal
            case _:
                raise AssertionError(f"{layer} has no input")

    def convolution(self, conv: spec.Conv, signal: Signal) -> Signal:
        """Its weights have the variance 2 / fan-out; a group of channels alone keeps what it is, all together mix."""
        inside = _inside(signal.size[0], conv.kernel, conv.stride) * _inside(signal.size[1], conv.kernel, conv.stride)
        gain = 2 * conv.in_channels / (conv.groups * conv.out_channels) * inside
        if conv.groups == conv.in_channels == conv.out_channels > 1:
            return signal.map(lambda draws: conv.bias_start + math.sqrt(gain * mean_square(draws)) * self.normal())
        square, parts = signal.mean_square, zip(signal.channels, signal.draws, strict=True)
        steady = sum(channels * float(draws.mean()) ** 2 for channels, draws in parts) / signal.width
        share = min(1.0, steady / square) if square else 0.0
        common = self.steady.setdefault((self.module, conv), self.normal())
        unit = normalised(math.sqrt(share) * common + math.sqrt(1 - share) * self.normal())
        draws = conv.bias_start + math.sqrt(gain * square) * unit
        return Signal((conv.out_channels,), (draws,), signal.size, share)

    def graph(self, graph: spec.Graph, signal: Signal) -> Signal:
        part = signal.width // graph.inputs
        nodes = [signal.between(start, start + part) for start in range(0, signal.width, part)]
        for node in graph.nodes:
            terms = [self.through(layers, nodes[source]) for source, layers in node]
            nodes.append(together(terms, lambda draws: functools.reduce(operator.add, draws)))
        return joined([nodes[node] for node in graph.outputs])


def _sum(coefficients: Sequence[float], constant: float, draws: list[Draws]) -> Draws:
    terms = zip(coefficients, draws, strict=True)
    return sum((coefficient * value for coefficient, value in terms), np.full(len(draws[0]), constant))


@functools.cache
def _inside(size: int, kernel: int, stride: int) -> float:
    """The share of the places under a kernel that are in the image, not in its padding, along one side."""
    positions = np.arange(0, size, stride)[:, None] + np.arange(kernel) - kernel // 2
    return float(np.mean((positions >= 0) & (positions < size)))
