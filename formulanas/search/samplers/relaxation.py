"""The over-complete formula of a space, its coefficients real numbers, and the bindings nearest to such numbers."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import multiply
from formulanas.formula.bind import Value, unbound
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.expressions import Expression
from formulanas.search.space.space import Domain, Scalar, Space, listed

# In the over-complete formula the start value of a coefficient says which it is, since canonical text keeps the name
# only of one that stands in several places. No formula has such start values of its own.
MARK = 2**20

DIGITS = 4  # to which a coefficient from a continuous domain is rounded


@dataclass(frozen=True)
class Relaxation:
    """The bindings of `space` that have the values `choices`, as points among real coordinates.

    The coordinates are the coefficients of the formula in which every count, such as the `p` of
    `sum(a[i] * x[n-i], (i, 1, p))`, is at its largest: a binding with fewer terms has 0 for those that it lacks.
    Where the terms have no coefficient, as in `sum(F[n, j](x[n-1]), (j, 1, k))`, each gets one, `k[j]`, of 1 up to
    the count and 0 beyond.
    """

    space: Space
    choices: Mapping[str, Value]
    counts: frozenset[str]
    factors: frozenset[str]

    @cached_property
    def coordinates(self) -> dict[str, list[float]]:
        """Each coordinate with the values that it has in bindings, ascending: at least two, or it would be known."""
        shapes = list(self.shapes())
        found: dict[str, list[float]] = {}
        for name in self.fill({}):
            symbol, _, index = name.partition("[")
            values = set[float]()
            if symbol in self.factors:
                values = set(_numbers(self.space.domains[symbol]))
                if any(name not in asked for _, asked in shapes):
                    values.add(0.0)
            elif symbol in self.counts and index:
                values = {_presence(name, shape) for shape, _ in shapes}
            if len(values) > 1:
                found[name] = sorted(values)
        return found

    @cached_property
    def recursion(self) -> BoundRecursion:
        """The over-complete formula; the coordinate at place `i` is `learn(MARK + i)`."""
        marks = {name: f"learn({MARK + place})" for place, name in enumerate(self.coordinates)}
        return self.gated.bind(self.fill(marks))

    @cached_property
    def gated(self) -> Space:
        """The space whose formula has a coefficient at every term that a count decides on."""

        def gate(expression: Expression) -> Expression:
            expression = ex.map_children(expression, gate)
            if not (isinstance(expression, ex.Sum) and isinstance(expression.high, ex.Symbol)):
                return expression
            term = ex.Index(expression.variable)
            inner = {part.name for part in ex.walk(expression.body) if isinstance(part, ex.Symbol) and part.indices}
            if expression.high.name not in self.counts or inner & self.factors:
                return expression
            return replace(expression, body=multiply((ex.Symbol(expression.high.name, (term,)), expression.body)))

        equations = {name: gate(value) for name, value in self.space.recursion.equations.items()}
        return replace(self.space, recursion=replace(self.space.recursion, equations=equations))

    def fill(self, marks: Mapping[str, str]) -> dict[str, Value]:
        """The values of the over-complete formula, `marks` standing for coordinates."""

        def choose(name: str, domain: Domain) -> Value:
            symbol, _, index = name.partition("[")
            if name in marks:
                return marks[name]
            if symbol in self.choices:
                return self.choices[symbol]
            if symbol in self.counts and not index:
                return max(_whole(domain))
            return 1 if index and symbol in self.counts else _numbers(domain)[0]

        return self.gated.choose(choose)

    def shapes(self) -> Iterator[tuple[dict[str, Value], tuple[str, ...]]]:
        """The values of choices and counts, with the names of the coefficients that they leave open."""

        def extend(values: dict[str, Value]) -> Iterator[tuple[dict[str, Value], tuple[str, ...]]]:
            missing = unbound(self.space.recursion, values)
            first = [name for name in missing if name.partition("[")[0] not in self.factors]
            if not first:
                yield values, missing
                return
            symbols = [name.partition("[")[0] for name in first]
            options = [
                [self.choices[each]] if each in self.choices else _whole(self.space.domains[each]) for each in symbols
            ]
            for chosen in itertools.product(*options):
                yield from extend({**values, **dict(zip(first, chosen, strict=True))})

        yield from extend({})

    def nearest(self, point: Mapping[str, float], number: int) -> list[dict[str, Value]]:
        """The `number` bindings at the least Euclidean distance from `point`, nearest first."""
        found = [pair for shape, asked in self.shapes() for pair in self._nearest(shape, asked, point, number)]
        return [values for _, values in heapq.nsmallest(number, found, key=lambda pair: pair[0])]

    def _nearest(
        self, shape: dict[str, Value], asked: tuple[str, ...], point: Mapping[str, float], number: int
    ) -> list[tuple[float, dict[str, Value]]]:
        """The same for one shape. A sum over coordinates is among the least only where its parts are so, too."""
        known = sum((point[name] - _presence(name, shape)) ** 2 for name in point if name not in asked)
        best = [(known, shape)]
        for name in asked:
            near = _near(self.space.domains[name.partition("[")[0]], point.get(name, 0.0))
            longer = [
                (distance + square, {**values, name: value}) for distance, values in best for square, value in near
            ]
            best = heapq.nsmallest(number, longer, key=lambda pair: pair[0])
        return best


def relaxations(space: Space) -> list[Relaxation]:
    """One for each combination of the values of functions, policies, kinds and whatever else is no coefficient.

    Raises InputError where such a symbol has no listed values, or where there are no coefficients.
    """
    factors, counts = _factors(space), _counts(space)
    choices: dict[str, list[Scalar]] = {}
    for name in space.recursion.symbols:
        if name not in factors | counts:
            values = listed(space.domains[name])
            if values is None:
                raise InputError(
                    "a differentiable search needs listed values for what is not a coefficient of a term, but got "
                    f"{space.domains[name]}; give a list or a step (symbols.{name})"
                )
            choices[name] = values
    found = [
        Relaxation(space, dict(zip(choices, chosen, strict=True)), counts, factors)
        for chosen in itertools.product(*choices.values())
    ]
    if not any(each.coordinates for each in found):
        raise InputError(
            "a differentiable search needs a symbol that is a coefficient of a term, such as a of a * x[n-1], "
            f"but {', '.join(space.recursion.symbols) or 'no symbol'} is none; choose another sampler (search.sampler)"
        )
    return found


def _factors(space: Space) -> frozenset[str]:
    """The symbols that may be any real number wherever they stand: coefficients."""
    loose: set[str] = set()
    fixed: set[str] = set()

    def visit(part: Expression, is_fixed: bool) -> None:
        match part:
            case ex.Symbol(name, indices):
                (fixed if is_fixed else loose).add(name)
                for index in indices:
                    visit(index, True)
            case ex.Sum(body=body, low=low, high=high):
                visit(body, is_fixed)
                visit(low, True)
                visit(high, True)
            case ex.Transform(argument=argument) | ex.Operation(argument=argument):
                for each in ex.children(part):
                    visit(each, is_fixed or each is not argument)
            case ex.Add() | ex.Multiply() | ex.Concat():
                for each in ex.children(part):
                    visit(each, is_fixed)
            case _:  # indices, exponents, rates, and the parameters of other coefficients
                for each in ex.children(part):
                    visit(each, True)

    for equation in space.recursion.equations.values():
        visit(equation, False)
    return frozenset(name for name in loose - fixed if _is_numeric(space.domains[name]))


def _counts(space: Space) -> frozenset[str]:
    """The symbols that are the upper bounds of sums, and nothing else."""
    parts = [part for equation in space.recursion.equations.values() for part in ex.walk(equation)]
    places = Counter(part.name for part in parts if isinstance(part, ex.Symbol))
    bounds = Counter(
        part.high.name
        for part in parts
        if isinstance(part, ex.Sum)
        and part.kind == "sum"
        and isinstance(part.high, ex.Symbol)
        and not part.high.indices
    )
    return frozenset(
        name
        for name in bounds
        if bounds[name] == places[name] and _is_numeric(space.domains[name]) and listed(space.domains[name])
    )


def _is_numeric(domain: Domain) -> bool:
    values = listed(domain)
    return values is None or all(isinstance(value, int | float) for value in values)


def _whole(domain: Domain) -> list[Value]:
    return [value for value in listed(domain) or [] if not isinstance(value, str)]


def _numbers(domain: Domain) -> list[float]:
    """The values of a domain of numbers; of a continuous one, its ends."""
    if isinstance(domain, list):
        return [float(value) for value in domain]
    return [float(value) for value in domain.values() or [domain.low, domain.high]]


def _presence(name: str, shape: Mapping[str, Value]) -> float:
    """What the coordinate `name` is in bindings of a shape that do not ask for it: 1 for `k[j]` up to k, else 0."""
    symbol, _, index = name.partition("[")
    return float(index != "" and symbol in shape and int(index.rstrip("]")) <= int(shape[symbol]))


def _near(domain: Domain, target: float) -> list[tuple[float, Scalar]]:
    """The values of a domain with their squared distances from `target`; of a continuous one, the nearest alone."""
    values = listed(domain)
    if values is None:
        assert not isinstance(domain, list)
        values = [round(min(max(target, domain.low), domain.high), DIGITS)]
    return [((float(value) - target) ** 2, value) for value in values]
