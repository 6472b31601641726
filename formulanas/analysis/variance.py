"""Variance growth: the variance of the state after each block at initialisation, before anything is trained.

The assumptions are the usual ones (He et al. 2015, 1502.01852): what a residual function makes is Gaussian, and
independent of its input and of every other. A value is then a vector of draws of one of its units. Draws that are
added, subtracted or multiplied stay paired, so that F[n-1], once in the state and once subtracted, cancels.
"""

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import (
    Activation,
    BatchNorm,
    Conv,
    Graph,
    LayerNorm,
    Layers,
    Shape,
    SqueezeExcite,
)
from formulanas.architecture.preactivation import Preactivation, preactivation
from formulanas.architecture.transforms import TRANSFORMS
from formulanas.errors import InputError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar, random_mean
from formulanas.formula.program import lower
from formulanas.formula.unroll import unroll

Draws = NDArray[np.float64]

NUM_DRAWS = 1 << 14  # the deviation of a variance is about 1 %
NORM_EPSILON = 1e-5
STATE = "state"  # the operation that `variance` wraps around the state, to see it after every block
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
    """The variance of the stem's output, and of the state after each block; where it has not begun yet, 0."""

    stem: float
    blocks: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """The factor by which each block changes the variance; infinite where there was none before."""
        before = (self.stem, *self.blocks)
        return tuple(now / last if last else math.inf for last, now in zip(before, self.blocks, strict=False))


def variance(
    bound: BoundRecursion, backbone: Backbone, image: Shape, seed: int = 0, num_draws: int = NUM_DRAWS
) -> VarianceGrowth:
    """The variance growth of `bound` over `backbone`, for images (C, H, W) of variance 1 and norms that see batches.

    The variance is over images, channels, places, weights, and what chance decides in training. Activations, norms and
    gates are what they are; pooling in the stem counts as the identity. `seed` is that of the draws, and the relative
    deviation of what they say about sqrt(2 / num_draws). Raises InputError for formulas that join or split channels.
    """
    backbone = replace(backbone, transform=bound.kind("F") or backbone.transform)
    program = lower(bound)
    algebra = DrawAlgebra(
        bound,
        backbone,
        backbone.stage_shapes(image),
        np.random.default_rng(seed),
        num_draws,
        preactivation(bound, backbone, program),
    )
    equations = {**program.equations, "x": ex.Operation(STATE, program.equations["x"])}
    with np.errstate(over="ignore", invalid="ignore"):
        stem = algebra.through(backbone.stem(image), algebra.normal(), image)
        if backbone.preactivated:
            stem = algebra.norm_act(stem)
        unroll(replace(program, equations=equations), backbone.stages, algebra, stem)
        blocks = tuple(algebra.variances.get(block, 0.0) for block in range(1, len(backbone.stages) + 1))
    if not np.isfinite(blocks).all():
        raise InputError("the variance of the state grows beyond all numbers")
    return VarianceGrowth(float(stem.var()), blocks)


@dataclass
class DrawAlgebra(Algebra[Draws]):
    """Vectors of paired draws; a residual function and a projection make new ones."""

    bound: BoundRecursion
    backbone: Backbone
    shapes: tuple[Shape, ...]  # of the stem's output, then of each stage
    chance: np.random.Generator
    num_draws: int
    preactivation: Preactivation
    variances: dict[int, float] = field(default_factory=dict)  # of the state, by block
    normed: list[tuple[Draws, Draws]] = field(default_factory=list)  # what was normed, and what it became

    def normal(self) -> Draws:
        return _normalised(self.chance.standard_normal(self.num_draws))

    def through(self, layers: Layers, draws: Draws, shape: Shape) -> Draws:
        """What `layers`, as they are initialised, make of `draws`, units of images of `shape`."""
        for layer in layers:
            match layer:
                case Conv(inputs, outputs, kernel, stride, groups):  # its weights have the variance 2 / fan-out
                    inside = _inside(shape[1], kernel, stride) * _inside(shape[2], kernel, stride)
                    square = _mean_square(draws) * 2 * inputs / (groups * outputs) * inside
                    draws = layer.bias_start + math.sqrt(square) * self.normal()
                case BatchNorm() | LayerNorm():
                    draws = _normalised(draws)
                case Activation(name):
                    draws = self.activation(name)(draws)
                case Graph():
                    draws = self.graph(layer, draws, shape)
                case SqueezeExcite():  # its gate starts near a half
                    draws = draws / 2
            shape = layer.out_shape(shape)
        return draws

    def graph(self, graph: Graph, draws: Draws, shape: Shape) -> Draws:
        """What a graph makes of `draws`: a unit of what it joins is one of any of its outputs."""
        shapes = graph.shapes(shape)
        nodes = [draws, *(self.chance.permutation(draws) for _ in range(graph.inputs - 1))]
        for node in graph.nodes:
            nodes.append(
                sum((self.through(layers, nodes[at], shapes[at]) for at, layers in node), np.zeros(self.num_draws))
            )
        return np.choose(np.arange(self.num_draws) % len(graph.outputs), [nodes[at] for at in graph.outputs])

    def activation(self, name: str) -> Callable[[Draws], Draws]:
        if name not in ACTIVATIONS:
            raise InputError(unknown_name("activation", name, ACTIVATIONS))
        return ACTIVATIONS[name]

    def combine(self, terms: list[tuple[Scalar, Draws]], constant: Scalar) -> Draws:
        return sum(
            (float(coefficient) * draws for coefficient, draws in terms), np.full(self.num_draws, float(constant))
        )

    def product(self, factors: list[Draws]) -> Draws:
        return functools.reduce(operator.mul, factors)

    def operation(self, name: str, value: Draws, block: int) -> Draws:
        if name == STATE:
            self.variances[block] = float(value.var())
            return value
        if name in ("bn", "ln"):
            return _normalised(value)
        return self.activation(self.backbone.activation if name == "act" else name)(value)

    def transform(self, name: str, branch: int, block: int, value: Draws) -> Draws:
        kind = self.bound.kind(name) or self.backbone.transform
        if kind not in TRANSFORMS:
            raise InputError(f"{name} = {kind}: {unknown_name('transform', kind, TRANSFORMS)}")
        before = self.shapes[self.backbone.stages[block - 2] if block > 1 else 0]
        after = self.shapes[self.backbone.stages[block - 1]]
        stride = -(-before[1] // after[1])
        stage = self.backbone.stages[block - 1]
        layers = TRANSFORMS[kind](before[0], after[0], stride, self.backbone.styles[stage - 1])
        first = block == 1 + self.backbone.stages.index(stage)
        shared = first and (name, branch) not in self.preactivation.apart
        if isinstance(layers[0], BatchNorm) and shared and (self.is_normed(value) or before != after):
            value, layers = self.norm_act(value), layers[2:]
        return self.through(layers, value, before)

    def is_normed(self, draws: Draws) -> bool:
        return any(draws is made for _, made in self.normed)

    def norm_act(self, draws: Draws) -> Draws:
        """Norm and activation of `draws`, one for all that read it (see architecture.preactivation)."""
        for source, made in self.normed:
            if draws is source or draws is made:
                return made
        self.normed.append((draws, self.activation(self.backbone.activation)(_normalised(draws))))
        return self.normed[-1][1]

    def carry(self, value: Draws | None, sequence: str, policy: str, place: int, distance: int) -> Draws | None:
        before, after = self.shapes[place - 1], self.shapes[place]
        if value is None or before == after:
            return value
        if policy == "cut":
            return None
        if (sequence, distance) in self.preactivation.reads:
            value = self.norm_act(value)
        if policy == "pad":  # the same units are zero in all that is carried to this place
            generator = np.random.default_rng(place)
            return value * (generator.permutation(self.num_draws) < self.num_draws * before[0] / after[0])
        layers: Layers = (Conv(before[0], after[0], 1, -(-before[1] // after[1])),)
        if self.backbone.projects_with_norm:
            layers += (BatchNorm(after[0]),)
        return self.through(layers, value, before)

    def random(self, coefficient: ex.Random, block: int) -> Draws:
        random_mean(coefficient)  # raises where it has no distribution
        first, *second = (float(each.value) for each in coefficient.parameters if isinstance(each, ex.Number))
        uniform: Draws = self.chance.random(self.num_draws)
        if coefficient.distribution == "bernoulli":
            return (uniform < first).astype(np.float64)
        return first + (second[0] - first) * uniform

    def drop(self, value: Draws, rate: Scalar, per: str, block: int) -> Draws:
        return value * (self.chance.random(self.num_draws) >= float(rate))

    def concat(self, parts: list[Draws]) -> Draws:
        raise InputError("the variance of joined channels is not predicted yet")


def _normalised(draws: Draws) -> Draws:
    """`draws` as a batch norm returns them."""
    centred: Draws = draws - draws.sum() / len(draws)
    return centred / math.sqrt(_mean_square(centred) + NORM_EPSILON)


def _mean_square(draws: Draws) -> float:
    return float(draws @ draws) / len(draws)


@functools.cache
def _inside(size: int, kernel: int, stride: int) -> float:
    """The share of the places under a kernel that are in the image, not in its padding, along one side."""
    places = np.arange(0, size, stride)[:, None] + np.arange(kernel) - kernel // 2
    return float(np.mean((places >= 0) & (places < size)))
