"""The plan of a network: the recursion unrolled once over shapes and names, into modules and straight-line code."""

from dataclasses import dataclass, field, replace

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import BatchNorm, Conv, Layers, PadShortcut, Shape, macs, out_shape
from formulanas.architecture.transforms import TRANSFORMS
from formulanas.errors import InputError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.program import lower
from formulanas.formula.unroll import Scalar, unroll


@dataclass(frozen=True)
class Line:
    """One assignment of the forward pass: `target = code`, where `code` reads the variables `inputs`."""

    target: str
    code: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A network before it is allocated: its modules by name, and the lines from the image `x` to the logits."""

    modules: dict[str, Layers]
    lines: tuple[Line, ...]
    macs: int  # of one image, with the projections of a history that is still zero, as the papers count them

    @property
    def num_params(self) -> int:
        """The number of trained parameters."""
        return sum(layer.num_params() for layers in self.modules.values() for layer in layers)

    def source(self) -> str:
        """The forward pass as Python: each variable is deleted after the last line that reads it."""
        last_use = {name: place for place, line in enumerate(self.lines) for name in line.inputs}
        text = ["def forward(self, x):"]
        for place, line in enumerate(self.lines[:-1]):
            text.append(f"    {line.target} = {line.code}")
            done = [name for name in dict.fromkeys(line.inputs) if last_use[name] == place and name != line.target]
            if done:
                text.append(f"    del {', '.join(done)}")
        return "\n".join([*text, f"    return {self.lines[-1].code}"]) + "\n"


def plan(bound: BoundRecursion, backbone: Backbone, image: Shape, num_classes: int) -> Plan:
    """The plan of `bound` over `backbone`, for images of shape `image` and logits of shape (N, num_classes).

    Raises InputError for what the formula language has but no network is built from yet.
    """
    backbone = replace(backbone, transform=bound.kind("F") or backbone.transform)
    planner = _Planner(bound, backbone, backbone.stage_shapes(image))
    stem = planner.module("stem", backbone.stem(image), _Value("x", image))
    state = unroll(lower(bound), backbone.stages, planner, stem)
    planner.module("head", backbone.head(num_classes), state)
    return Plan(planner.modules, tuple(planner.lines), planner.macs)


@dataclass(frozen=True)
class _Value:
    name: str
    shape: Shape


@dataclass
class _Planner:
    """The algebra of names and shapes: each operation is a line of code."""

    bound: BoundRecursion
    backbone: Backbone
    shapes: tuple[Shape, ...]
    modules: dict[str, Layers] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    macs: int = 0

    def emit(self, code: str, inputs: list[_Value], shape: Shape) -> _Value:
        value = _Value(f"v{len(self.lines)}", shape)
        self.lines.append(Line(value.name, code, tuple(each.name for each in inputs)))
        return value

    def module(self, name: str, layers: Layers, value: _Value) -> _Value:
        """Calls the module `name`, which is added on its first call."""
        if self.modules.setdefault(name, layers) != layers:
            raise InputError(f"{name} is applied to states of two shapes, so that it has no one set of weights")
        self.macs += macs(layers, value.shape)
        return self.emit(f"self.{name}({value.name})", [value], out_shape(layers, value.shape))

    def place(self, block: int) -> str:
        stage = self.backbone.stages[block - 1]
        return f"stage{stage}_block{block - self.backbone.stages.index(stage)}"

    def combine(self, terms: list[tuple[Scalar, _Value]], constant: Scalar) -> _Value:
        code = ""
        for coefficient, value in terms:
            weight = float(coefficient)
            factor = "" if abs(weight) == 1 else f"{abs(weight)!r} * "
            sign = ("-" if weight < 0 else "") if not code else (" - " if weight < 0 else " + ")
            code += f"{sign}{factor}{value.name}"
        if constant:
            code += f" {'-' if constant < 0 else '+'} {abs(float(constant))!r}"
        return self.emit(code, [value for _, value in terms], self.one_shape([value for _, value in terms]))

    def product(self, factors: list[_Value]) -> _Value:
        return self.emit(" * ".join(value.name for value in factors), factors, self.one_shape(factors))

    def one_shape(self, values: list[_Value]) -> Shape:
        assert len({value.shape for value in values}) == 1, "states are carried to one shape before they meet"
        return values[0].shape

    def operation(self, name: str, value: _Value, block: int) -> _Value:
        if name == "bn":
            prefix = f"{self.place(block)}_norm"
            count = sum(each.startswith(prefix) for each in self.modules)
            return self.module(f"{prefix}{count + 1}", (BatchNorm(value.shape[0]),), value)
        function = self.backbone.activation if name == "act" else name
        return self.emit(f"{function}({value.name})", [value], value.shape)

    def transform(self, name: str, branch: int, block: int, value: _Value) -> _Value:
        kind = self.bound.kind(name) or self.backbone.transform
        if kind not in TRANSFORMS:
            raise InputError(f"{name} = {kind}: {unknown_name('transform', kind, TRANSFORMS)}")
        target = self.shapes[self.backbone.stages[block - 1]]
        stride = -(-value.shape[1] // target[1])
        layers = TRANSFORMS[kind](value.shape[0], target[0], stride, self.backbone.activation)
        label = name if branch == 1 else f"{name}{branch}"
        return self.module(f"{self.place(block)}_{label}", layers, value)

    def carry(self, value: _Value | None, sequence: str, policy: str, place: int, distance: int) -> _Value | None:
        before, after = self.shapes[place - 1], self.shapes[place]
        if before == after:
            return value
        stride = -(-before[1] // after[1])
        name = f"stage{place}_carry_{sequence}" + (f"_{distance}" if distance > 1 else "")
        layers: Layers
        if policy == "pad":
            if after[0] < before[0]:
                raise InputError(f"shape = pad appends channels, but stage {place} has {after[0]} after {before[0]}")
            layers = (PadShortcut(before[0], after[0], stride),)
        else:
            layers = (Conv(before[0], after[0], 1, stride), BatchNorm(after[0]))
        if value is None:  # a history that is zero is not computed, but its weights belong to the published counts
            if name not in self.modules:
                self.modules[name] = layers
                self.macs += macs(layers, before)
            return None
        return self.module(name, layers, value)

    def learned(self, coefficient: ex.Learn, block: int) -> _Value:
        raise InputError("learned coefficients, learn(...), are not built into networks yet; write a number")

    def concat(self, parts: list[_Value]) -> _Value:
        raise InputError("concatenated channels, concat(...), are not built into networks yet")

    def slice(self, value: _Value, start: int | None, stop: int | None) -> _Value:
        raise InputError("split channels, u[:c], are not built into networks yet")

    def drop(self, value: _Value, rate: Scalar) -> _Value:
        raise InputError("stochastic depth, drop(...), is not built into networks yet")
