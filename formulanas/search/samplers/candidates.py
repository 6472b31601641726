"""The candidates of a space, as a sampler sees them: drawn, mutated, and known by the keys of their architectures."""

import math
import random
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.search.space.space import Chooser, Domain, Range, Scalar, draw, listed

Values = dict[str, Value]

NUM_DRAWS = 100  # before a finite space is enumerated, and an infinite one counts as exhausted
MAX_NEIGHBOURS = 12  # of one symbol; of a longer range, some nearby
REACH = 0.1  # their deviation, in the length of the range


class Choices(Protocol):
    """What a sampler needs of a space: `Space` has it, and so has any table of measured architectures."""

    @property
    def domains(self) -> Mapping[str, Domain]:
        """The values of each symbol; `a` has those of a[1] and a[2]."""

    @property
    def sizes(self) -> frozenset[str]:
        """The symbols that say how large an architecture is; they alone decide which others are active."""

    def choose(self, chooser: Chooser) -> Values:
        """A binding by `chooser`, which is asked only for the symbols that are active given those before."""

    def key(self, values: Mapping[str, Value]) -> str:
        """The key of the architecture. Raises InputError where the binding has no meaning."""

    def bindings(self) -> Iterator[Values]:
        """All bindings, where all domains are finite."""


class Candidates:
    """The bindings of a space; it remembers their keys, which cost more than anything else here."""

    def __init__(self, space: Choices) -> None:
        self.space = space
        self.is_finite = all(listed(domain) is not None for domain in space.domains.values())
        self.keys: dict[frozenset[tuple[str, Value]], str | None] = {}

    def key(self, values: Mapping[str, Value]) -> str | None:
        """The key of a binding's architecture; None where it has no meaning."""
        binding = frozenset(values.items())
        if binding not in self.keys:
            try:
                self.keys[binding] = self.space.key(values)
            except InputError:
                self.keys[binding] = None
        return self.keys[binding]

    def is_new(self, values: Mapping[str, Value], known: Collection[str]) -> bool:
        """Whether a binding has a meaning, and one that is not among the `known` keys."""
        key = self.key(values)
        return key is not None and key not in known

    def first_new(self, bindings: Iterator[Values], known: Collection[str]) -> Values | None:
        """The first of `bindings` whose key is not known."""
        return next((values for values in bindings if self.is_new(values, known)), None)

    def draw(self, generator: random.Random) -> Values:
        """A random binding, symbol by symbol."""
        return self.space.choose(lambda _, domain: draw(domain, generator))

    def unseen(self, known: Collection[str], generator: random.Random) -> Values | None:
        """A random binding whose key is not known; None where the space has no more."""
        found = self.first_new((self.draw(generator) for _ in range(NUM_DRAWS)), known)
        if found is None and self.is_finite:
            found = self.first_new(self.space.bindings(), known)
        return found

    def new_near(self, values: Values, known: Collection[str], generator: random.Random) -> Values | None:
        """The first on a random walk from `values`, a symbol changed at a time, whose key is not known.

        None where the space has no more.
        """
        for _ in range(NUM_DRAWS):
            if self.is_new(values, known):
                return values
            values = self.mutate(values, generator)
        return self.unseen(known, generator)

    def change(self, values: Mapping[str, Value], name: str, value: Value, generator: random.Random) -> Values:
        """`values` with one symbol changed; those that are active only now are drawn."""
        changed = {**values, name: value}
        if name.partition("[")[0] not in self.space.sizes:
            return changed
        return self.space.choose(lambda name, domain: changed[name] if name in changed else draw(domain, generator))

    def mutate(self, values: Mapping[str, Value], generator: random.Random) -> Values:
        """`values` with a random symbol changed at random."""
        changeable = [name for name in values if self.has_others(name)]
        if not changeable:
            return dict(values)
        name = generator.choice(changeable)
        others = self.others(name, values[name], generator)
        return self.change(values, name, generator.choice(others), generator) if others else dict(values)

    def neighbours(self, values: Mapping[str, Value], generator: random.Random) -> list[Values]:
        """All bindings with one symbol changed, in random order."""
        found = [
            self.change(values, name, other, generator)
            for name in values
            for other in self.others(name, values[name], generator)
        ]
        generator.shuffle(found)
        return found

    def domain(self, name: str) -> Domain:
        """The values of a symbol, such as a[1]."""
        return self.space.domains[name.partition("[")[0]]

    def has_others(self, name: str) -> bool:
        """Whether a symbol has more values than one."""
        choices = listed(self.domain(name))
        return choices is None or len(choices) > 1

    def others(self, name: str, value: Value, generator: random.Random) -> list[Scalar]:
        """The other values of a symbol; of a long range, some nearby and one anywhere."""
        domain = self.domain(name)
        choices = listed(domain)
        if isinstance(domain, Range) and (choices is None or len(choices) > MAX_NEIGHBOURS + 1):
            assert isinstance(value, int | float)
            choices = [_near(domain, value, generator) for _ in range(MAX_NEIGHBOURS - 1)] + [draw(domain, generator)]
        return [each for each in choices or [] if each != value]

    def size(self, values: Mapping[str, Value]) -> float:
        """How large a candidate is: the sum of the symbols that say so; a text such as `n` is beyond all numbers."""
        total = 0.0
        for name, value in values.items():
            symbol = name.partition("[")[0]
            if symbol in self.space.sizes:
                total += 1 + self.largest(name) if isinstance(value, str) else float(value)
        return total

    def largest(self, name: str) -> float:
        """The largest number in the domain of a symbol."""
        domain = self.domain(name)
        if isinstance(domain, Range):
            return float(domain.high)
        return max((float(each) for each in domain if not isinstance(each, str)), default=0.0)


def _near(domain: Range, value: int | float, generator: random.Random) -> Scalar:
    """A value of a range near another: a normal step along the range, or along its logarithm."""
    low, high, at = (math.log(each) if domain.log else each for each in (domain.low, domain.high, value))
    moved = min(max(at + generator.gauss(0, REACH) * (high - low), low), high)
    if (choices := listed(domain)) is not None:
        return min(choices, key=lambda each: abs(float(each) - (math.exp(moved) if domain.log else moved)))
    return min(max(math.exp(moved), domain.low), domain.high) if domain.log else moved
