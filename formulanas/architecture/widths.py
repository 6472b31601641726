"""How many channels a transform gives: the stage's width, what a concatenation grows by, or both where it is split."""

from collections.abc import Mapping
from typing import Literal

from formulanas.formula import expressions as ex
from formulanas.formula.canonical import lag
from formulanas.formula.expressions import Expression

Width = Literal["width", "growth", "both"]


def transform_widths(equations: Mapping[str, Expression]) -> dict[tuple[str, int], Width]:
    """The output width of every transform of a program, by name and branch.

    A transform that is joined to other channels gives the backbone's `growth`; one that is split by `u[:width]` gives
    the stage's width and the growth; any other gives the stage's width.
    """
    found: dict[tuple[str, int], Width] = {}
    contexts: dict[str, Width] = {}

    def visit(part: Expression, context: Width) -> None:
        match part:
            case ex.Transform(name, _, ex.Number(branch), argument):
                at = (name, int(branch))
                if found.get(at, "width") == "width":
                    found[at] = context
                for inner in _nearest(argument):
                    visit(inner, "width")
            case ex.State(sequence, index) if lag(index) is not None:
                contexts.setdefault(sequence, context)
            case ex.Concat(parts):
                for each in parts:
                    visit(each, "growth")
            case ex.Slice(argument, start, stop):
                visit(argument, "both" if ex.WIDTH in (start, stop) else context)
            case ex.Sum(body=body, kind=kind):
                visit(body, "growth" if kind == "concat" else context)
            case _:
                for child in ex.children(part):
                    visit(child, context)

    for name, equation in reversed(list(equations.items())):  # readers before what they read
        single = isinstance(equation, ex.Transform)  # a cached call has the width that its readers want
        visit(equation, contexts.get(name, "width") if single else "width")
    return found


def _nearest(part: Expression) -> list[ex.Transform]:
    """The transforms in an expression that stand in no other one of it."""
    if isinstance(part, ex.Transform):
        return [part]
    return [transform for child in ex.children(part) for transform in _nearest(child)]
