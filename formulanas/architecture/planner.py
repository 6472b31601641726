"""The algebra of names and shapes: a recursion unrolled over it becomes modules and lines of code."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
from formulanas.architecture.preactivation import Preactivation
from formulanas.architecture.transforms import TRANSFORMS
from formulanas.architecture.widths import Width
from formulanas.errors import InputError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra, Bound
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar, random_mean, start_values

NUMBER: Shape = (1, 1, 1)  # the shape of a coefficient, which fits any state


@dataclass(frozen=True)
class Line:
    """One assignment of the forward pass: `target = code`, where `code` reads the variables `inputs`."""

    target: str
    code: str
    inputs: tuple[str, ...]
    module: str | None = None  # the module that it calls
    macs: int = 0


@dataclass(frozen=True)
class Value:
    """A variable of the forward pass, or a part of one such as `v3[0]`, and its shape (C, H, W)."""

    name: str
    shape: Shape


@dataclass
class Planner(Algebra[Value]):
    """Collects modules by name and lines of code; `zero` are the modules of histories that are still zero."""

    bound: BoundRecursion
    backbone: Backbone
    shapes: tuple[Shape, ...]  # of the stem, then of each stage
    widths: Mapping[tuple[str, int], Width]
    growing: frozenset[str]
    preactivation: Preactivation
    modules: dict[str, Layers] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    zero: dict[str, int] = field(default_factory=dict)  # the module's name, and its multiply-accumulates
    normed: dict[str, Value] = field(default_factory=dict)  # by the variable that they are made of

    def emit(self, target: str, code: str, inputs: list[Value], shape: Shape, module: str = "", cost: int = 0) -> Value:
        """Adds a line; `target` is a name, or empty for the next free variable."""
        value = Value(target or f"v{len(self.lines)}", shape)
        names = tuple(each.name.partition("[")[0] for each in inputs)
        self.lines.append(Line(value.name, code, names, module or None, cost))
        return value

    def module(self, name: str, layers: Layers, value: Value) -> Value:
        """Calls the module `name`, which is added on its first call."""
        if self.modules.setdefault(name, layers) != layers:
            raise InputError(f"{name} is applied to states of two shapes, so that it has no one set of weights")
        shape, cost = out_shape(layers, value.shape), macs(layers, value.shape)
        return self.emit("", f"self.{name}({value.name})", [value], shape, name, cost)

    def place(self, block: int) -> str:
        """The name of a block: stage2_block1."""
        stage = self.backbone.stages[block - 1]
        return f"stage{stage}_block{block - self.backbone.stages.index(stage)}"

    def numbered(self, block: int, kind: str) -> str:
        """A name for one more module of its kind in a block: stage2_block1_norm2."""
        prefix = f"{self.place(block)}_{kind}"
        return f"{prefix}{1 + sum(each.startswith(prefix) for each in self.modules)}"

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
        code = ""
        for coefficient, value in terms:
            weight = float(coefficient)
            factor = "" if abs(weight) == 1 else f"{abs(weight)!r} * "
            sign = ("-" if weight < 0 else "") if not code else (" - " if weight < 0 else " + ")
            code += f"{sign}{factor}{value.name}"
        if constant:
            code += f" {'-' if constant < 0 else '+'} {abs(float(constant))!r}"
        values = [value for _, value in terms]
        return self.emit("", code, values, self.common_shape(values))

    def product(self, factors: list[Value]) -> Value:
        return self.emit("", " * ".join(value.name for value in factors), factors, self.common_shape(factors))

    def operation(self, name: str, value: Value, block: int) -> Value:
        match name:
            case "bn":
                return self.module(self.numbered(block, "norm"), (BatchNorm(value.shape[0]),), value)
            case "ln":
                return self.module(self.numbered(block, "norm"), (LayerNorm(value.shape[0]),), value)
            case "act":
                name = self.backbone.activation
        return self.emit("", f"{name}({value.name})", [value], value.shape)

    def transform(self, name: str, branch: int, block: int, value: Value) -> Value:
        kind = self.bound.kind(name) or self.backbone.transform
        if kind not in TRANSFORMS:
            raise InputError(f"{name} = {kind}: {unknown_name('transform', kind, TRANSFORMS)}")
        stage = self.backbone.stages[block - 1]
        width, height, _ = self.shapes[stage]
        wanted = self.widths.get((name, branch), "width")
        channels = {"width": width, "growth": self.backbone.growth, "both": width + self.backbone.growth}[wanted]
        stride = -(-value.shape[1] // height)
        layers = TRANSFORMS[kind](value.shape[0], channels, stride, self.backbone.styles[stage - 1])
        shared = (name, branch) not in self.preactivation.apart and self.is_shared(value, block)
        if shared and isinstance(layers[0], BatchNorm):
            value, layers = self.norm_act(value, stage), layers[2:]
        if self.backbone.squeeze is not None and kind not in ("gate", "mbconv"):
            layers += (SqueezeExcite(channels, max(1, channels // self.backbone.squeeze)),)
        label = name if branch == 1 else f"{name}{branch}"
        return self.module(f"{self.place(block)}_{label}", layers, value)

    def is_shared(self, value: Value, block: int) -> bool:
        """Whether transforms and shortcut of this block read one norm and activation of `value`."""
        stage = self.backbone.stages[block - 1]
        first = block == 1 + self.backbone.stages.index(stage)
        return not self.growing and first and (value.name in self.normed or value.shape != self.shapes[stage])

    def norm_act(self, value: Value, stage: int) -> Value:
        """Norm and activation of `value`, one for all that read it."""
        if value.name not in self.normed:
            name = f"stage{stage}_norm" + (f"_{len(self.normed)}" if f"stage{stage}_norm" in self.modules else "")
            layers: Layers = BatchNorm(value.shape[0]), Activation(self.backbone.activation)
            after = self.normed[value.name] = self.module(name, layers, value)
            self.normed[after.name] = after  # it is not normed again
        return self.normed[value.name]

    def carry(self, value: Value | None, sequence: str, policy: str, place: int, distance: int) -> Value | None:
        before = self.shapes[place - 1] if value is None else value.shape
        width, height, breadth = self.shapes[place]
        if sequence in self.growing:
            width = before[0] if before[1] == height else round(before[0] * self.backbone.compression)
        elif before[0] != self.shapes[place - 1][0]:
            width = before[0]
        after = (width, height, breadth)
        if before == after:
            return value
        if policy == "cut":
            return None
        if value is not None and (sequence, distance) in self.preactivation.reads and not self.growing:
            value = self.norm_act(value, place)
        stride = -(-before[1] // height)
        name = f"stage{place}_carry_{sequence}" + (f"_{distance}" if distance > 1 else "")
        layers: Layers
        if policy == "pad":
            if width < before[0]:
                raise InputError(f"shape = pad appends channels, but stage {place} has {width} after {before[0]}")
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
            self.zero[name] = macs(layers, before)
            return None
        return self.module(name, layers, value)

    def learned(self, group: list[ex.Learn], block: int, place: int) -> list[Value] | list[Scalar]:
        start_values(group)  # raises where they cannot start
        starts = tuple(float(each.start.value) for each in group if isinstance(each.start, ex.Number))
        channels = self.shapes[place][0] if group[0].per == "channel" else 1
        if any(each.per != group[0].per for each in group):
            raise InputError("learned coefficients under one constraint are all per block or all per channel")
        name = self.numbered(block, "learned")
        self.modules[name] = (Coefficients(starts, channels, group[0].constraint),)
        value = self.emit("", f"self.{name}()", [], NUMBER, name)
        return [Value(f"{value.name}[{at}]", (channels, 1, 1)) for at in range(len(group))]

    def random(self, coefficient: ex.Random, block: int) -> Value:
        random_mean(coefficient)  # raises where it has no distribution
        parameters = tuple(float(each.value) for each in coefficient.parameters if isinstance(each, ex.Number))
        name = self.numbered(block, "random")
        self.modules[name] = (RandomCoefficient(coefficient.distribution, parameters),)
        return self.emit("", f"self.{name}(batch)", [Value("batch", NUMBER)], NUMBER, name)

    def drop(self, value: Value, rate: Scalar, per: str, block: int) -> Value:
        if not 0 <= rate <= 1:
            raise InputError(f"0 <= rate <= 1 must hold for drop, but got {float(rate)} in block {block}")
        return self.module(self.numbered(block, "drop"), (StochasticDepth(float(rate), per),), value)

    def concat(self, parts: list[Value]) -> Value:
        sizes = {part.shape[1:] for part in parts}
        if len(sizes) > 1:
            raise InputError(f"channels of images of different sizes cannot be joined: {sorted(sizes)}")
        height, width = sizes.pop()
        shape = (sum(part.shape[0] for part in parts), height, width)
        return self.emit("", f"cat(({', '.join(part.name for part in parts)}), 1)", parts, shape)

    def slice(self, value: Value, start: Bound, stop: Bound, block: int) -> Value:
        width = self.shapes[self.backbone.stages[block - 1]][0]
        first, last = (width if bound == "width" else bound for bound in (start, stop))
        channels = len(range(value.shape[0])[first:last])
        if channels < 1:
            raise InputError(f"channels {first} to {last} of {value.shape[0]} are none (block {block})")
        text = ("" if first is None else str(first)) + ":" + ("" if last is None else str(last))
        return self.emit("", f"{value.name}[:, {text}]", [value], (channels, *value.shape[1:]))
