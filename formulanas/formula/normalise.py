"""The normal form of bound equations: one text for one computation, whatever its names, labels and detours."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from formulanas.errors import InputError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.bound import DEFAULT_KINDS, DEFAULT_POLICIES, BoundRecursion, evaluation_order
from formulanas.formula.canonical import canonical, lag
from formulanas.formula.expressions import Expression
from formulanas.formula.recursion import POLICIES
from formulanas.formula.render import render_expression

MAX_LAG = 1_000
SEQUENCE_NAMES = "stuvwyzabcdefghijklmopqr"


def normalise(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> BoundRecursion:
    """The bound recursion of canonical `equations`: auxiliary sequences inlined, labels and names in order.

    Raises InputError for what no network can compute.
    """
    equations = _inline(equations, declarations)
    equations = _label_branches(equations, declarations)
    equations = _label_coefficients(equations)
    bound = _named(equations, declarations)
    _check(bound)
    return BoundRecursion(bound.equations, MappingProxyType(_meaningful(bound)))


def _inline(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> dict[str, Expression]:
    """`equations` without the sequences that only name a part of another equation, or that `x` does not need.

    A sequence that is one transform call or one state means the same at any lag; any other is replaced only
    where it is read in its own block, since crossing a change of shape as a whole differs from crossing in parts.
    """
    result = dict(equations)
    for name in [name for name in result if name != "x"]:
        equation = result[name]
        if f"shape[{name}]" in declarations or f"start[{name}]" in declarations:
            continue
        reads = [
            (reader, lag(part.index))
            for reader, value in result.items()
            for part in ex.walk(value)
            if isinstance(part, ex.State) and part.sequence == name
        ]
        single = isinstance(equation, ex.Transform) or (
            isinstance(equation, ex.State) and lag(equation.index) is not None
        )
        if any(reader == name for reader, _ in reads) or not (single or all(back == 0 for _, back in reads)):
            continue
        del result[name]
        result = {reader: canonical(_replace(value, name, equation)) for reader, value in result.items()}
    needed, frontier = {"x"}, ["x"]
    while frontier:
        for part in ex.walk(result[frontier.pop()]):
            if isinstance(part, ex.State) and part.sequence not in needed:
                needed.add(part.sequence)
                frontier.append(part.sequence)
    return {name: value for name, value in result.items() if name in needed}


def _replace(expression: Expression, name: str, equation: Expression) -> Expression:
    """`expression` with every read of the sequence `name` replaced by its `equation`, moved to the block read."""

    def replace(part: Expression) -> Expression:
        part = ex.map_children(part, replace)
        if isinstance(part, ex.State) and part.sequence == name:
            return ex.substitute(equation, "n", part.index)
        return part

    return replace(expression)


def _label_branches(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> dict[str, Expression]:
    """Numbers the residual functions in order of appearance: their labels carry no meaning, only which are the same."""
    labels: dict[tuple[str, Expression], Expression] = {}
    counts: dict[str, int] = {}

    def name_of(name: str) -> str:
        return name if name in declarations or name in DEFAULT_KINDS else "F"

    for name in _order_of_appearance(equations):
        for part in ex.walk(equations[name]):
            if isinstance(part, ex.Transform) and (part.name, part.branch) not in labels:
                counts[name_of(part.name)] = counts.get(name_of(part.name), 0) + 1
                labels[part.name, part.branch] = ex.number(counts[name_of(part.name)])

    def relabel(part: Expression) -> Expression:
        part = ex.map_children(part, relabel)
        if isinstance(part, ex.Transform):
            label = labels[part.name, part.branch]
            return ex.Transform(name_of(part.name), part.index, label, part.argument)
        return part

    return {name: canonical(relabel(value)) for name, value in equations.items()}


def _label_coefficients(equations: Mapping[str, Expression]) -> dict[str, Expression]:
    """Names coefficients that stand in several places in order of appearance, and no others."""
    places: dict[str, int] = {}

    def count(part: Expression, weight: int) -> None:
        if isinstance(part, ex.Learn | ex.Random) and part.name is not None:
            places[part.name] = places.get(part.name, 0) + weight
        for child in ex.children(part):
            count(child, 2 if isinstance(part, ex.Sum) else weight)  # one for all terms of a sum is shared as well

    for name in _order_of_appearance(equations):
        count(equations[name], 1)
    shared = [name for name, number in places.items() if number > 1]
    labels = {name: f"c{number}" for number, name in enumerate(shared, 1)}

    def relabel(part: Expression) -> Expression:
        part = ex.map_children(part, relabel)
        if isinstance(part, ex.Learn | ex.Random) and part.name is not None:
            return dataclasses.replace(part, name=labels.get(part.name))
        return part

    return {name: canonical(relabel(value)) for name, value in equations.items()}


def _order_of_appearance(equations: Mapping[str, Expression]) -> list[str]:
    """`x` and the sequences that it reads, directly or through others, in the order in which they are met."""
    found = ["x"]
    for name in found:
        for part in ex.walk(equations[name]):
            if isinstance(part, ex.State) and part.sequence not in found:
                if part.sequence not in equations:
                    raise InputError(unknown_name("sequence", part.sequence, equations))
                found.append(part.sequence)
    return found


def _named(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> BoundRecursion:
    """The bound recursion with its sequences renamed, and only the declarations that are not the default."""
    names = dict(zip(_order_of_appearance(equations), "x" + SEQUENCE_NAMES, strict=False))
    if len(names) < len(equations):
        raise InputError(f"a formula has at most {len(SEQUENCE_NAMES)} auxiliary sequences")

    def rename(part: Expression) -> Expression:
        part = ex.map_children(part, rename)
        return ex.State(names[part.sequence], part.index) if isinstance(part, ex.State) else part

    renamed = {names[old]: canonical(rename(value)) for old, value in equations.items()}
    kept: dict[str, str] = {}
    for name, value in declarations.items():
        policy, _, sequence = name.removesuffix("]").partition("[")
        if policy not in POLICIES:
            calls = (part for equation in renamed.values() for part in ex.walk(equation))
            used = any(isinstance(part, ex.Transform) and part.name == name for part in calls)
            if used and value != DEFAULT_KINDS.get(name):
                kept[name] = value
        elif sequence in names:
            kept[f"{policy}[{names[sequence]}]"] = value
        elif not sequence and value != DEFAULT_POLICIES[policy]:
            kept[name] = value
    order = [name for name in "x" + SEQUENCE_NAMES if name in renamed]
    order = [*order[1:], "x"]
    return BoundRecursion(MappingProxyType({name: renamed[name] for name in order}), MappingProxyType(kept))


def _meaningful(bound: BoundRecursion) -> dict[str, str]:
    """The declarations that change the computation: without history there is nothing to start or to reset."""
    lagged = [part for part in bound.parts() if isinstance(part, ex.State | ex.Transform) and part.index != ex.ZERO]
    nearest = {"x": 2}  # the first lag that can point before the first block
    distances = [(lag(part.index), nearest.get(getattr(part, "sequence", ""), 1)) for part in lagged]
    earlier = any(back is None or back >= first for back, first in distances)
    sums = any(isinstance(part, ex.Sum) for part in bound.parts())
    dropped = set()
    if not earlier:
        dropped |= {"start"}
        if not sums and not bound.reads_anchor and bound.declarations.get("shape") == "reset":
            dropped |= {"shape"}
    return {name: value for name, value in sorted(bound.declarations.items()) if name not in dropped}


def _check(bound: BoundRecursion) -> None:
    """Refuses what no network can compute: reading ahead, circular reading in one block, a state that is nothing."""
    if ex.is_scalar(bound.equations["x"]):
        raise InputError(
            f"x[n] = {render_expression(bound.equations['x'])} reads no state; it needs one, such as x[n-1]"
        )
    for name, equation in bound.equations.items():
        for part in ex.walk(equation):
            if isinstance(part, ex.State | ex.Transform):
                distance = lag(part.index)
                text = render_expression(part)
                if distance is not None and distance > MAX_LAG:
                    raise InputError(f"{text} reads {distance:,} blocks back; a formula reads at most {MAX_LAG:,} back")
                if distance is not None and distance < 0:
                    raise InputError(f"{text} reads a later block; block n reads n-1, n-2 and so on")
                if isinstance(part, ex.State) and distance == 0 and part.sequence == name:
                    raise InputError(f"{name}[n] = ... reads {text}, which it is about to define")
                if isinstance(part, ex.State) and isinstance(part.index, ex.Number) and part != ex.State("x", ex.ZERO):
                    raise InputError(f"{text}: the only fixed state is the anchor x[0]")
    evaluation_order(bound.equations)
