"""Equivalence: whether two recursions are equal as linear systems, apart from being the same architecture."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import permutations, product
from random import Random

from formulanas.analysis.words import STEM, Letter, Word, WordAlgebra, render_weight
from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import Program, lower
from formulanas.formula.unroll import unroll

PRIME = 2**127 - 1
MAX_BLOCKS, FEWEST_BLOCKS = 40, 16
MAX_NAMINGS = 120  # ways to pair the residual functions of two formulas: five a block

Function = tuple[str, int]  # a residual function of a block, by its name and its number among those of the block
Passed = tuple[int, tuple[Function, ...]]  # what a path passes in one block, the outermost function first
Residues = Mapping[Passed, int]
NOTHING: Passed = (0, ())


@dataclass(frozen=True)
class Equivalence:
    """Whether recursions A and B are one architecture, and whether they are equal as linear systems.

    `equal_linear` is None where one has no linear reading; `note` says why, or how far equality was tested.
    `witness` names the smallest number of blocks at which they differ, and a path that has two weights.
    """

    same_architecture: bool
    equal_linear: bool | None
    witness: str | None
    note: str | None

    @property
    def statement(self) -> str:
        """The comparison in a sentence."""
        if self.same_architecture:
            return "the same architecture"
        said = {True: "equal as linear systems", False: "not equal as linear systems", None: ""}[self.equal_linear]
        return "another architecture; " + ": ".join(filter(None, (said, self.witness, self.note)))


def equivalence(a: BoundRecursion, b: BoundRecursion, seed: int = 0) -> Equivalence:
    """Compares two recursions; those of one key are one architecture, and so one linear system.

    As linear systems, activations and norms are identities, learned coefficients have their start values, and each
    residual function of each block is a noncommuting symbol of its own; their numbers within a block are
    interchangeable. With coefficients that are the same in every block, each recursion is a weighted automaton that
    reads what each block passes, and two of them with p and q entries of history are equal when they agree over
    fewer than p + q blocks (Eilenberg 1974, Automata, Languages, and Machines A, VI.8). At each number of blocks the
    sums over all paths are compared modulo the prime 2**127 - 1 with random values in place of the symbols: to call
    unequal ones equal has a probability below 1e-30 (Schwartz 1980, Zippel 1979).
    """
    if a.key == b.key:
        return Equivalence(True, True, None, None)
    try:
        return _compare(lower(a), lower(b), Random(seed))
    except InputError as error:
        return Equivalence(False, None, None, f"they cannot be compared as linear systems: {error}")


def _compare(a: Program, b: Program, random: Random) -> Equivalence:
    num_blocks = sum(map(_history_size, (a, b))) - 1
    proof = num_blocks <= MAX_BLOCKS and not (_varies(a) or _varies(b))
    num_blocks = min(num_blocks if proof else max(num_blocks, FEWEST_BLOCKS), MAX_BLOCKS)
    differences = []
    for naming in _namings(_functions(a), _functions(b)):
        comparison = _Comparison(a, b, naming, random)
        blocks = next((count for count in range(1, num_blocks + 1) if comparison.difference(count)), None)
        if blocks is None:
            tested = f"tested over 1 to {num_blocks} blocks only: coefficients change with the block or history is long"
            return Equivalence(False, True, None, None if proof else tested)
        differences.append((blocks, comparison))
    blocks, comparison = max(differences, key=lambda each: each[0])  # the naming under which they agree longest
    untried = f"their residual functions can be paired in more than {MAX_NAMINGS} ways, and were by their numbers only"
    tried = comparison.naming or not _functions(a) | _functions(b)
    return Equivalence(False, False, comparison.witness(blocks), None if tried else untried)


@dataclass(frozen=True)
class _Comparison:
    """Recursions A and B where the functions of B bear the names that `naming` gives them."""

    a: Program
    b: Program
    naming: Mapping[Function, Function]
    random: Random
    symbols: dict[Passed, int] = field(default_factory=lambda: {NOTHING: 1})

    def difference(self, num_blocks: int) -> int:
        """The sum over all paths of A less that of B, modulo the prime."""
        ours = self.evaluate(self.a, {}, num_blocks)
        return (ours - self.evaluate(self.b, self.naming, num_blocks)) % PRIME

    def evaluate(self, program: Program, naming: Mapping[Function, Function], num_blocks: int) -> int:
        algebra = ResidueAlgebra(self.symbol, naming)
        return algebra.folded(unroll(program, [1] * num_blocks, algebra, {NOTHING: 1}, nothing={}))

    def symbol(self, passed: Passed) -> int:
        """The random value of what a path passes in a block, drawn when first met."""
        if passed not in self.symbols:
            self.symbols[passed] = self.random.randrange(1, PRIME)
        return self.symbols[passed]

    def witness(self, num_blocks: int) -> str:
        """A path whose weights differ over `num_blocks` blocks: symbols are made zero while a difference is left."""
        for passed in sorted(self.symbols.keys() - {NOTHING}, key=lambda each: (-len(each[1]), each)):
            value, self.symbols[passed] = self.symbols[passed], 0
            if not self.difference(num_blocks):
                self.symbols[passed] = value
        left = sorted((passed for passed, value in self.symbols.items() if value and passed != NOTHING), reverse=True)
        path = tuple(Letter(*function, block) for block, functions in left for function in functions)
        weights = _weight(self.a, {}, num_blocks, path), _weight(self.b, self.naming, num_blocks, path)
        if math.isclose(*weights, rel_tol=1e-9) and not all(isinstance(weight, Fraction) for weight in weights):
            raise InputError("their coefficients are not rational, and agree as far as floats tell")
        name = f"path {' '.join(map(str, path))}" if path else "path that passes no residual function"
        here, there = map(render_weight, weights)
        blocks = f"{num_blocks} block{'s' if num_blocks > 1 else ''}"
        return f"over {blocks}: the {name} has weight {here} in A and {there} in B"


@dataclass(frozen=True)
class ResidueAlgebra(Algebra[Residues]):
    """Sums over paths modulo a prime, by what they pass in the last block that they enter.

    A path passes blocks in their order, so that numbers can stand for what it passed in each earlier block; in the
    last one, where functions may be applied to one another in any order, the word itself is kept.
    """

    symbol: Callable[[Passed], int]
    naming: Mapping[Function, Function]

    def combine(self, terms: list[tuple[Scalar, Residues]], constant: Scalar) -> Residues:
        total: dict[Passed, int] = {}
        for coefficient, residues in terms:
            exact = Fraction(coefficient)
            factor = exact.numerator * pow(exact.denominator, -1, PRIME)
            for passed, weight in residues.items():
                total[passed] = (total.get(passed, 0) + factor * weight) % PRIME
        return total

    def transform(self, name: str, branch: int, block: int, value: Residues) -> Residues:
        function = self.naming.get((name, branch), (name, branch))
        inner = {passed: weight for passed, weight in value.items() if passed[0] == block}
        entering = {passed: weight for passed, weight in value.items() if passed[0] < block}
        result = {(block, (function, *word)): weight for (_, word), weight in inner.items()}
        if entering:
            result[block, (function,)] = self.folded(entering)
        return result

    def folded(self, residues: Residues) -> int:
        """The sum over all paths, with the value of what each passed in its last block."""
        return sum(self.symbol(passed) * weight for passed, weight in residues.items()) % PRIME


def _weight(program: Program, naming: Mapping[Function, Function], num_blocks: int, path: Word) -> Scalar:
    def letter(name: str, branch: int, block: int) -> Letter:
        return Letter(*naming.get((name, branch), (name, branch)), block)

    words = unroll(program, [1] * num_blocks, WordAlgebra(letter, path), STEM, nothing={})
    return words.get(path, Fraction(0))


def _history_size(program: Program) -> int:
    """How many entries of history a block reads, the anchor among them, where that is the same in every block."""
    return 1 + sum(max(depth or 0, 1) for depth in program.history.values())


def _varies(program: Program) -> bool:
    """Whether a block's coefficients or its range of history change with the block or with the number of blocks."""

    def varies(expression: ex.Expression) -> bool:
        match expression:
            case ex.Index() | ex.Learn(constraint="softmax" | "sum"):  # which is over the terms that exist yet
                return True
            case ex.State():
                return False
            case ex.Transform(branch=ex.Number(), argument=argument):
                return varies(argument)
        return any(map(varies, ex.children(expression)))

    return None in program.history.values() or any(map(varies, program.equations.values()))


def _functions(program: Program) -> set[Function]:
    return {
        (part.name, int(part.branch.value))
        for equation in program.equations.values()
        for part in ex.walk(equation)
        if isinstance(part, ex.Transform) and isinstance(part.branch, ex.Number)
    }


def _namings(ours: set[Function], theirs: set[Function]) -> Iterator[Mapping[Function, Function]]:
    """The ways to pair the residual functions of two formulas, within each name; the first leaves them as they are."""
    names = sorted({name for name, _ in ours | theirs})
    numbers = [sorted({number for each, number in ours | theirs if each == name}) for name in names]
    if math.prod(math.factorial(len(each)) for each in numbers) > MAX_NAMINGS:
        yield {}
        return
    for orders in product(*(permutations(each) for each in numbers)):
        yield {
            (name, old): (name, new)
            for name, before, after in zip(names, numbers, orders, strict=True)
            for old, new in zip(before, after, strict=True)
        }
