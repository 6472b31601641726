"""A search space: a recursion formula with free symbols, a domain for each, and named points in it."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Protocol

from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.bind import Value, bind, unbound
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.expressions import Sum, Symbol, walk
from formulanas.formula.recursion import Recursion

Scalar = int | float | str
BLOCKS = "blocks"  # the symbol that is no part of a formula: the number of blocks of every stage


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: whole where both are whole, else real; `step` makes them few."""

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InputError(f"low <= high must hold, but got {self.low} and {self.high}: the domain is empty")
        if self.step is not None and (self.step <= 0 or self.log):
            raise InputError(f"a step is above 0 and does not go with log, but got {self.step}")
        if self.log and self.low <= 0:
            raise InputError(f"0 < low must hold on a logarithmic scale, but got {self.low}")

    @property
    def whole(self) -> bool:
        """Whether the range is of whole numbers."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step or 1))

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, int | float)
            and self.low <= value <= self.high
            and (not self.whole or value == int(value))
        )

    def values(self) -> list[Scalar] | None:
        """All values; None where they are infinitely many."""
        if self.step is None and not self.whole:
            return None
        step = self.step or 1
        return [self.low + step * i for i in range(int((self.high - self.low) / step + 1e-9) + 1)]


Domain = list[Scalar] | Range


class Chooser(Protocol):
    """What chooses a value of a domain: a trial of a study, or an enumeration."""

    def __call__(self, name: str, domain: Domain) -> Value: ...


@dataclass(frozen=True)
class Space:
    """A formula with a domain for each of its symbols; `points` are bindings by name."""

    recursion: Recursion
    domains: Mapping[str, Domain]
    points: Mapping[str, Mapping[str, Value]]

    def choose(self, chooser: Chooser) -> dict[str, Value]:
        """A binding by `chooser`, which is asked only for what the formula needs, given the values before."""
        values: dict[str, Value] = {}
        while missing := self.missing(values):
            for name in missing:
                values[name] = chooser(name, self.domains[name.partition("[")[0]])
        return values

    def bindings(self) -> Iterator[dict[str, Value]]:
        """All bindings, where all domains are finite."""

        def extend(values: dict[str, Value]) -> Iterator[dict[str, Value]]:
            missing = self.missing(values)
            if not missing:
                yield values
                return
            choices = [listed(self.domains[name.partition("[")[0]]) or [] for name in missing]
            for chosen in itertools.product(*choices):
                yield from extend({**values, **dict(zip(missing, chosen, strict=True))})

        yield from extend({})

    def is_finite(self) -> bool:
        """Whether every domain has finitely many values."""
        return all(listed(domain) is not None for domain in self.domains.values())

    def missing(self, values: Mapping[str, Value]) -> tuple[str, ...]:
        """The symbols that still need values, given `values`."""
        sizes = {name: value for name, value in values.items() if name.partition("[")[0] in self.sizes}
        place = frozenset(sizes.items())
        if place not in self._needed:
            blocks = (BLOCKS,) if BLOCKS in self.domains else ()
            self._needed[place] = unbound(self.recursion, sizes) + blocks
        return tuple(name for name in self._needed[place] if name not in values)

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The symbols in the bounds of sums, and blocks: they say how large an architecture is."""
        bounds = [
            bound
            for equation in self.recursion.equations.values()
            for part in walk(equation)
            if isinstance(part, Sum)
            for bound in (part.low, part.high)
        ]
        found = {part.name for bound in bounds for part in walk(bound) if isinstance(part, Symbol)}
        return frozenset(found | ({BLOCKS} & set(self.domains)))

    @cached_property
    def _needed(self) -> dict[frozenset[tuple[str, Value]], tuple[str, ...]]:
        """The symbols that are needed beside the sizes, by the sizes: nothing else decides on them."""
        return {}

    def bind(self, values: Mapping[str, Value]) -> BoundRecursion:
        """The bound recursion of a binding."""
        return self._bind(tuple((name, value) for name, value in values.items() if name != BLOCKS))

    @cached_property
    def _bind(self) -> Callable[[tuple[tuple[str, Value], ...]], BoundRecursion]:
        """Binds, and keeps the latest: a proposal is bound for its key, its text and its network."""
        return lru_cache(maxsize=256)(lambda values: bind(self.recursion, dict(values)))

    def key(self, values: Mapping[str, Value]) -> str:
        """The key of a binding's architecture. Raises InputError where it has no meaning."""
        key = self.bind(values).key
        return f"{key}-{values[BLOCKS]}" if BLOCKS in values else key

    def backbone(self, values: Mapping[str, Value], base: Backbone) -> Backbone:
        """`base` with as many blocks in each stage as a binding says."""
        if BLOCKS not in self.domains:
            return base
        return replace(base, depths=(int(values[BLOCKS]),) * len(base.depths))


def listed(domain: Domain) -> list[Scalar] | None:
    """The values of a domain; None where they are infinitely many."""
    return domain.values() if isinstance(domain, Range) else domain


def draw(domain: Domain, generator: random.Random) -> Scalar:
    """A random value of a domain."""
    values = listed(domain)
    if values is not None:
        return generator.choice(values)
    assert isinstance(domain, Range)
    if domain.log:
        return float(domain.low * (domain.high / domain.low) ** generator.random())
    return generator.uniform(domain.low, domain.high)
