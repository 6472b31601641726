"""The plan of a network: its modules, the lines of its forward pass, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import Layers, Shape
from formulanas.architecture.lines import IMAGES, BatchSize, Line, Role, Variable
from formulanas.architecture.planner import BATCH, NUMBER, Planner, Value
from formulanas.architecture.preactivation import preactivation
from formulanas.architecture.source import source
from formulanas.architecture.widths import transform_widths
from formulanas.formula import expressions as ex
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.program import lower
from formulanas.formula.unroll import unroll


@dataclass(frozen=True)
class Plan:
    """A network before it is allocated: its modules by name, and the lines from the images to the logits.

    `roles` say what each module is for, and `states` which variable holds a sequence after a block.
    """

    modules: Mapping[str, Layers]
    roles: Mapping[str, Role]
    lines: tuple[Line, ...]
    states: Mapping[tuple[str, int], Variable]
    macs: int  # of one image, with the projections of a history that is still zero, as the papers count them

    @property
    def num_params(self) -> int:
        """The number of trained parameters."""
        return sum(layer.num_params() for layers in self.modules.values() for layer in layers)

    @property
    def idle_modules(self) -> frozenset[str]:
        """The modules that no line calls: projections of a history that is zero, which published counts have."""
        return frozenset(self.modules) - {line.module for line in self.lines}

    def source(self) -> str:
        """The forward pass as Python."""
        return source(self.lines)


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
    if any(isinstance(part, ex.Random) for part in bound.parts()):
        planner.emit(BatchSize((IMAGES,)), NUMBER, BATCH.name)
    stem = planner.module("stem", backbone.stem(image), Value(IMAGES, image), Role("stem"))
    planner.attribute("x", 0)
    if backbone.preactivated and not joined:  # it belongs to block 1, whose shortcut reads it too
        stem = planner.norm_act(stem, 1)
    planner.states["x", 0] = stem.variable
    state = unroll(program, backbone.stages, planner, stem)
    planner.module("head", backbone.head(state.shape[0], num_classes), state, Role("head"))
    planner.attribute("", len(backbone.stages) + 1)
    return _without_dead_lines(planner)


def _without_dead_lines(planner: Planner) -> Plan:
    """The plan of what the logits need: a state that no later block reads is not computed, and has no weights."""
    needed = {planner.lines[-1].target}
    lines: list[Line] = []
    for line in reversed(planner.lines):
        if line.target in needed:
            needed.update(line.inputs)
            lines.insert(0, line)
    called = {line.module for line in lines}
    modules = {name: layers for name, layers in planner.modules.items() if name in called or name in planner.zero}
    zero = sum(cost for name, cost in planner.zero.items() if name not in called)
    return Plan(
        modules=modules,
        roles={name: planner.roles[name] for name in modules},
        lines=tuple(lines),
        states={at: variable for at, variable in planner.states.items() if variable.name in needed},
        macs=sum(line.macs for line in lines) + zero,
    )
