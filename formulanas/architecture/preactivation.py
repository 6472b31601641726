"""What pre-activated transforms read: where the shape changes, their norm and activation also serve the shortcut."""

from dataclasses import dataclass

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.transforms import find_transform
from formulanas.formula import expressions as ex
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.canonical import lag
from formulanas.formula.program import Program


@dataclass(frozen=True)
class Preactivation:
    """`reads` are the states that share a norm with the shortcut: sequence, and how many blocks back.

    `apart` are transforms, by name and branch, that keep their own: their weights also serve values of their own block.
    """

    reads: frozenset[tuple[str, int]]
    apart: frozenset[tuple[str, int]]


def preactivation(bound: BoundRecursion, backbone: Backbone, program: Program) -> Preactivation:
    """What transforms that begin with norm and activation read directly.

    In the first block of a stage there is one norm and activation of such a state, read by all these transforms and by
    the projection (the code of 1603.05027 and 1609.05672).
    """
    reads = frozenset(
        (call.argument.sequence, distance)
        for equation in program.equations.values()
        for call in ex.walk(equation)
        if isinstance(call, ex.Transform) and isinstance(call.argument, ex.State)
        if find_transform(call.name, bound.kind(call.name) or backbone.transform).is_preactivated
        if (call.name, call.branch) not in program.inner and (distance := lag(call.argument.index)) is not None
    )
    apart = frozenset((name, int(branch.value)) for name, branch in program.inner if isinstance(branch, ex.Number))
    return Preactivation(reads, apart)
