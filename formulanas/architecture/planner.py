"""The algebra of names and shapes: a recursion unrolled over it becomes modules and the lines that call them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import (
    Activation,
    AvgPool,
    BatchNorm,
    Coefficients,
    Conv,
    LayerNorm,
    Layers,
    PadShortcut,
    RandomCoefficient,
    Shape,
    SqueezeExcite,
    StochasticDepth,
    macs,
    out_shape,
)
from formulanas.architecture.lines import (
    Call,
    Elementwise,
    Join,
    Line,
    Operation,
    Product,
    Role,
    Slice,
    Variable,
    WeightedSum,
)
from formulanas.architecture.preactivation import Preactivation
from formulanas.architecture.transforms import find_transform
from formulanas.architecture.widths import Width
from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra, Bound
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar, random_mean, start_values

NUMBER: Shape = (1, 1, 1)  # the shape of a coefficient, which fits any state
BATCH = Variable("batch")  # how many images there are, which random coefficients read


@dataclass(frozen=True)
class Value:
    """A variable of the forward pass, or an item of one, and its shape (C, H, W)."""

    variable: Variable
    shape: Shape


@dataclass
class Planner(Algebra[Value]):
    """Collects modules by name, and lines; `zero` are the modules of histories that are still zero."""

    bound: BoundRecursion
    backbone: Backbone
    shapes: tuple[Shape, ...]  # of the stem, then of each stage
    widths: Mapping[tuple[str, int], Width]
    growing: frozenset[str]
    preactivation: Preactivation
    modules: dict[str, Layers] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)  # by the module's name
    lines: list[Line] = field(default_factory=list)
    states: dict[tuple[str, int], Variable] = field(default_factory=dict)  # by sequence and block
    zero: dict[str, int] = field(default_factory=dict)  # the module's name, and its multiply-accumulates
    normed: dict[Variable, Value] = field(default_factory=dict)  # by the variable that they are made of
    counts: Counter[str] = field(default_factory=Counter)  # of modules by block and kind
    attributed: int = 0  # how many lines are known to be part of an equation

    def emit(self, operation: Operation, shape: Shape, target: str = "", cost: int = 0) -> Value:
        """Adds a line; without a `target` it makes the next free variable."""
        target = target or f"v{len(self.lines)}"
        self.lines.append(Line((target,), operation, macs=cost))
        return Value(Variable(target), shape)

    def attribute(self, sequence: str, block: int) -> None:
        """Notes that the lines since the last call are part of the equation of `sequence` in `block`."""
        for number in range(self.attributed, len(self.lines)):
            self.lines[number] = replace(self.lines[number], sequence=sequence, block=block)
        self.attributed = len(self.lines)

    def computed(self, sequence: str, block: int, value: Value | None) -> Value | None:
        self.attribute(sequence, block)
        if value is not None:
            self.states[sequence, block] = value.variable
        return value

    def module(self, name: str, layers: Layers, value: Value, role: Role) -> Value:
        """Calls the module `name`, which is added on its first call."""
        self.roles.setdefault(name, role)
        if self.modules.setdefault(name, layers) != layers:
            raise InputError(f"{name} is applied to states of two shapes, so that it has no one set of weights")
        shape, cost = out_shape(layers, value.shape), macs(layers, value.shape)
        return self.emit(Call(name, (value.variable,)), shape, cost=cost)

    def numbered(self, block: int, kind: str) -> str:
        """A name for one more module of its kind in a block: stage2_block1_norm2."""
        name = f"{block_name(self.backbone.stages, block)}_{kind}"
        self.counts[name] += 1
        return f"{name}{self.counts[name]}"

    def role(self, kind: Literal["norm", "learned", "random", "drop"], block: int) -> Role:
        """What a module within a block is for."""
        return Role(kind, self.backbone.stages[block - 1], block)

    def common_shape(self, values: list[Value]) -> Shape:
        """The shape of states that are added or multiplied; coefficients fit any."""
        shapes = {value.shape for value in values if value.shape != NUMBER and value.shape[1:] != (1, 1)} or {
            value.shape for value in values if value.shape != NUMBER
        }
        if len(shapes) > 1:
            channels = " and ".join(str(shape[0]) for shape in sorted(shapes))
            raise InputError(f"states of {channels} channels cannot be added or multiplied; split or project them")
        return shapes.pop() if shapes else NUMBER

    def combine(self, terms: list[tuple[Scalar, Value]], constant: Scalar) -> Value:
        values = [value for _, value in terms]
        coefficients = tuple(float(coefficient) for coefficient, _ in terms)
        return self.emit(WeightedSum(coefficients, _variables(values), float(constant)), self.common_shape(values))

    def product(self, factors: list[Value]) -> Value:
        return self.emit(Product(_variables(factors)), self.common_shape(factors))

    def operation(self, name: str, value: Value, block: int) -> Value:
        match name:
            case "bn":
                return self.norm(block, BatchNorm(value.shape[0]), value)
            case "ln":
                return self.norm(block, LayerNorm(value.shape[0]), value)
            case "act":
                name = self.backbone.activation
        return self.emit(Elementwise(name, (value.variable,)), value.shape)

    def norm(self, block: int, layer: BatchNorm | LayerNorm, value: Value) -> Value:
        """One more norm of a block."""
        return self.module(self.numbered(block, "norm"), (layer,), value, self.role("norm", block))

    def transform(self, name: str, branch: int, block: int, value: Value) -> Value:
        kind = self.bound.kind(name) or self.backbone.transform
        transform = find_transform(name, kind)
        stage = self.backbone.stages[block - 1]
        width, height, _ = self.shapes[stage]
        wanted = self.widths.get((name, branch), "width")
        channels = {"width": width, "growth": self.backbone.growth, "both": width + self.backbone.growth}[wanted]
        stride = -(-value.shape[1] // height)
        layers = transform.layers(value.shape[0], channels, stride, self.backbone.styles[stage - 1])
        shared = (name, branch) not in self.preactivation.apart and self.is_shared(value, block)
        if shared and isinstance(layers[0], BatchNorm):
            value, layers = self.norm_act(value, stage), layers[2:]
        if self.backbone.squeeze is not None and not transform.is_gated:
            layers += (SqueezeExcite(channels, max(1, channels // self.backbone.squeeze)),)
        label = name if branch == 1 else f"{name}{branch}"
        role = Role("gate" if kind == "gate" else "transform", stage, block, name, branch)
        return self.module(f"{block_name(self.backbone.stages, block)}_{label}", layers, value, role)

    def is_shared(self, value: Value, block: int) -> bool:
        """Whether transforms and shortcut of this block read one norm and activation of `value`."""
        stage = self.backbone.stages[block - 1]
        first = block == 1 + self.backbone.stages.index(stage)
        return not self.growing and first and (value.variable in self.normed or value.shape != self.shapes[stage])

    def norm_act(self, value: Value, stage: int) -> Value:
        """Norm and activation of `value`, one for all that read it."""
        if value.variable not in self.normed:
            name = f"stage{stage}_norm" + (f"_{len(self.normed)}" if f"stage{stage}_norm" in self.modules else "")
            layers: Layers = BatchNorm(value.shape[0]), Activation(self.backbone.activation)
            after = self.normed[value.variable] = self.module(name, layers, value, Role("shared norm", stage))
            self.normed[after.variable] = after  # it is not normed again
        return self.normed[value.variable]

    def carry(self, value: Value | None, sequence: str, policy: str, stage: int, distance: int) -> Value | None:
        before = self.shapes[stage - 1] if value is None else value.shape
        width, height, breadth = self.shapes[stage]
        if sequence in self.growing:
            width = before[0] if before[1] == height else round(before[0] * self.backbone.compression)
        elif before[0] != self.shapes[stage - 1][0]:
            width = before[0]
        after = (width, height, breadth)
        if before == after:
            return value
        if policy == "cut":
            return None
        if value is not None and (sequence, distance) in self.preactivation.reads and not self.growing:
            value = self.norm_act(value, stage)
        stride = -(-before[1] // height)
        name = f"stage{stage}_carry_{sequence}" + (f"_{distance}" if distance > 1 else "")
        role = Role("carry", stage, 0, sequence, distance)
        layers: Layers
        if policy == "pad":
            if width < before[0]:
                raise InputError(f"shape = pad appends channels, but stage {stage} has {width} after {before[0]}")
            layers = (PadShortcut(before[0], width, stride),)
        elif sequence in self.growing:  # the transition of DenseNet (1608.06993)
            norm = (BatchNorm(before[0]), Activation(self.backbone.activation))
            layers = (*norm, Conv(before[0], width, 1), AvgPool(stride, stride))
        else:
            layers = (Conv(before[0], width, 1, stride, bias=self.backbone.conv_bias),)
            if self.backbone.projects_with_norm:
                layers += (BatchNorm(width),)
        if value is None:  # a history that is zero is not computed, but its weights belong to the published counts
            self.modules.setdefault(name, layers)
            self.roles.setdefault(name, role)
            self.zero[name] = macs(layers, before)
            return None
        return self.module(name, layers, value, role)

    def learned(self, group: list[ex.Learn], block: int, stage: int) -> list[Value] | list[Scalar]:
        start_values(group)  # raises where they cannot start
        starts = tuple(float(each.start.value) for each in group if isinstance(each.start, ex.Number))
        channels = self.shapes[stage][0] if group[0].per == "channel" else 1
        if any(each.per != group[0].per for each in group):
            raise InputError("learned coefficients under one constraint are all per block or all per channel")
        name = self.numbered(block, "learned")
        self.modules[name] = (Coefficients(starts, channels, group[0].constraint),)
        self.roles[name] = self.role("learned", block)
        value = self.emit(Call(name, ()), NUMBER)
        return [Value(Variable(value.variable.name, item), (channels, 1, 1)) for item in range(len(group))]

    def random(self, coefficient: ex.Random, block: int) -> Value:
        random_mean(coefficient)  # raises where it has no distribution
        parameters = tuple(float(each.value) for each in coefficient.parameters if isinstance(each, ex.Number))
        name = self.numbered(block, "random")
        self.modules[name] = (RandomCoefficient(coefficient.distribution, parameters),)
        self.roles[name] = self.role("random", block)
        return self.emit(Call(name, (BATCH,)), NUMBER)

    def drop(self, value: Value, rate: Scalar, per: str, block: int) -> Value:
        if not 0 <= rate <= 1:
            raise InputError(f"0 <= rate <= 1 must hold for drop, but got {float(rate)} in block {block}")
        layers = (StochasticDepth(float(rate), per),)
        return self.module(self.numbered(block, "drop"), layers, value, self.role("drop", block))

    def concat(self, parts: list[Value]) -> Value:
        sizes = {part.shape[1:] for part in parts}
        if len(sizes) > 1:
            raise InputError(f"channels of images of different sizes cannot be joined: {sorted(sizes)}")
        height, width = sizes.pop()
        shape = (sum(part.shape[0] for part in parts), height, width)
        return self.emit(Join(_variables(parts)), shape)

    def slice(self, value: Value, start: Bound, stop: Bound, block: int) -> Value:
        width = self.shapes[self.backbone.stages[block - 1]][0]
        first, last = (width if bound == "width" else bound for bound in (start, stop))
        channels = len(range(value.shape[0])[first:last])
        if channels < 1:
            raise InputError(f"channels {first} to {last} of {value.shape[0]} are none (block {block})")
        return self.emit(Slice(first, last, (value.variable,)), (channels, *value.shape[1:]))


def block_name(stages: Sequence[int], block: int) -> str:
    """The name of a block, given the stage of each: stage2_block1."""
    stage = stages[block - 1]
    return f"stage{stage}_block{block - stages.index(stage)}"


def _variables(values: Sequence[Value]) -> tuple[Variable, ...]:
    return tuple(value.variable for value in values)
