"""The plan of a network: its modules, its forward pass as straight-line code, and what it costs."""

from dataclasses import dataclass, replace

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import Layers, Shape
from formulanas.architecture.planner import Line, Planner, Value
from formulanas.architecture.preactivation import preactivation
from formulanas.architecture.widths import transform_widths
from formulanas.formula import expressions as ex
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.program import lower
from formulanas.formula.unroll import unroll


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

    Raises InputError for shapes that do not fit.
    """
    backbone = replace(backbone, transform=bound.kind("F") or backbone.transform)
    program = lower(bound)
    widths, joined = transform_widths(program.equations), program.growing
    planner = Planner(
        bound, backbone, backbone.stage_shapes(image), widths, joined, preactivation(bound, backbone, program)
    )
    images = Value("x", image)
    if any(isinstance(part, ex.Random) for part in bound.parts()):
        planner.emit("batch", "x.shape[0]", [images], image)
    stem = planner.module("stem", backbone.stem(image), images)
    if backbone.preactivated and not joined:
        stem = planner.norm_act(stem, 1)
    state = unroll(program, backbone.stages, planner, stem)
    planner.module("head", backbone.head(state.shape[0], num_classes), state)
    return _without_dead_lines(planner)


def _without_dead_lines(planner: Planner) -> Plan:
    """The plan of what the logits need: a state that no later block reads is not computed, and has no weights."""
    needed = {planner.lines[-1].target}
    lines: list[Line] = []
    for line in reversed(planner.lines):
        if line.target in needed:
            needed.update(line.inputs)
            lines.insert(0, line)
    called = {line.module for line in lines} | set(planner.zero)
    modules = {name: layers for name, layers in planner.modules.items() if name in called}
    zero = sum(cost for name, cost in planner.zero.items() if name not in {line.module for line in lines})
    return Plan(modules, tuple(lines), sum(line.macs for line in lines) + zero)
