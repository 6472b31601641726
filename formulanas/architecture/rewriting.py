"""Lines found and rewritten: modules that read one value, and the sum that adds up what they give."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from formulanas.architecture.lines import Line, Variable, WeightedSum
from formulanas.architecture.plan import Plan


@dataclass(frozen=True)
class Branches:
    """Modules that are all called once, on the variable `input`, and the variables of their `outputs`."""

    input: str
    modules: tuple[str, ...]
    outputs: tuple[str, ...]
    added: bool  # the outputs are read once, by a sum in which they stand side by side, each with the coefficient 1


def branches(plan: Plan, group: Callable[[Line], Hashable | None]) -> tuple[Branches, ...]:
    """The modules that read one variable and are of one `group`, in the order of the forward pass; None is no group."""
    calls = Counter(line.module for line in plan.lines)
    groups: dict[Hashable, list[Line]] = defaultdict(list)
    for line in plan.lines:
        if line.module is not None and calls[line.module] == 1 and (of := group(line)) is not None:
            groups[line.inputs[0], of].append(line)
    found = []
    for lines in groups.values():
        if len(lines) > 1:
            outputs = tuple(line.target for line in lines)
            readers = [line for line in plan.lines if set(line.inputs) & set(outputs)]
            added = len(readers) == 1 and _start_of(outputs, readers[0]) is not None
            modules = tuple(line.module for line in lines if line.module is not None)
            found.append(Branches(lines[0].inputs[0], modules, outputs, added))
    return tuple(found)


def readers(plan: Plan) -> dict[str, list[Line]]:
    """The lines that read each variable, once for each time that they read it."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in plan.lines:
        for name in line.inputs:
            found[name].append(line)
    return found


def rewritten(plan: Plan, rewrite: Callable[[Line], Iterable[Line]]) -> Plan:
    """The plan with each line replaced by those that `rewrite` gives for it."""
    return replace(plan, lines=tuple(new for line in plan.lines for new in rewrite(line)))


def with_terms(line: Line, old: Sequence[str], new: Sequence[str]) -> Line:
    """A sum in which the terms `new` stand where `old` stood side by side."""
    start = _start_of(old, line)
    assert start is not None
    assert isinstance(line.operation, WeightedSum)
    coefficients, inputs = line.operation.coefficients, line.operation.inputs
    end = start + len(old)
    operation = replace(
        line.operation,
        coefficients=(*coefficients[:start], *(1.0 for _ in new), *coefficients[end:]),
        inputs=(*inputs[:start], *map(Variable, new), *inputs[end:]),
    )
    return replace(line, operation=operation)


def _start_of(names: Sequence[str], line: Line) -> int | None:
    """Where `names` stand side by side in a sum, each with the coefficient 1; None where they do not."""
    if not isinstance(line.operation, WeightedSum):
        return None
    wanted = [(1.0, Variable(name)) for name in names]
    terms = list(zip(line.operation.coefficients, line.operation.inputs, strict=True))
    for start in range(len(terms) - len(wanted) + 1):
        if terms[start : start + len(wanted)] == wanted:
            return start
    return None
