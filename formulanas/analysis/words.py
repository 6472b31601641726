"""Propagation paths one by one: the residual functions that each path passes, and its weight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from formulanas.errors import InputError
from formulanas.formula.algebra import Algebra
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import lower
from formulanas.formula.render import render_number
from formulanas.formula.unroll import unroll

MAX_BLOCKS, MAX_WORDS = 12, 5_000


class Letter(NamedTuple):
    """The derivative of residual function `branch` of block `block`."""

    name: str
    branch: int
    block: int

    def __str__(self) -> str:
        """`F2`, or `F[2, 3]` for the third residual function of block 2."""
        return f"{self.name}{self.block}" if self.branch == 1 else f"{self.name}[{self.block}, {self.branch}]"


Word = tuple[Letter, ...]  # the outermost function first: F2 F1 passes block 1, then block 2
Words = Mapping[Word, Scalar]
STEM: Words = {(): Fraction(1)}  # the path that passes nothing


def expansion(bound: BoundRecursion, num_blocks: int) -> Words:
    """The paths of `bound` over a few blocks: d x[L] / d x[0] as a sum of words of F', with their weights.

    Activations and norms count as identities. Raises InputError for more than 12 blocks or 5,000 paths, and for
    formulas that have no linear reading, such as gates.
    """
    if not 1 <= num_blocks <= MAX_BLOCKS:
        raise InputError(
            f"1 <= blocks <= {MAX_BLOCKS} must hold where paths are listed one by one, but got {num_blocks}; "
            "without expanding them, paths are counted over thousands of blocks"
        )
    return unroll(lower(bound), [1] * num_blocks, WordAlgebra(), STEM, nothing={})


def path_polynomial(bound: BoundRecursion, num_blocks: int) -> dict[int, Scalar]:
    """The weights of all paths by length, the lengths without paths left out; exact where the coefficients are."""
    one_for_all = Letter("z", 1, 0)
    algebra = WordAlgebra(lambda name, branch, block: one_for_all)
    words = unroll(lower(bound), [1] * num_blocks, algebra, STEM, nothing={})
    return {len(word): weight for word, weight in words.items()}


def _letter(name: str, branch: int, block: int) -> Letter:
    return Letter(name, branch, block)


@dataclass(frozen=True)
class WordAlgebra(Algebra[Words]):
    """Sums of noncommuting words: a residual function puts its `letter` before each word.

    Where `suffixes_of` is a word, only that word and what can still become it are kept.
    """

    letter: Callable[[str, int, int], Letter] = _letter
    suffixes_of: Word | None = None

    def combine(self, terms: list[tuple[Scalar, Words]], constant: Scalar) -> Words:
        total: dict[Word, Scalar] = {}
        for coefficient, words in terms:
            for word, weight in words.items():
                total[word] = total.get(word, Fraction(0)) + coefficient * weight
        if len(total) > MAX_WORDS:
            raise InputError(
                f"more than {MAX_WORDS:,} paths are too many to list one by one; take fewer blocks, or count them "
                "by length without expanding them"
            )
        return {word: weight for word, weight in total.items() if weight}

    def transform(self, name: str, branch: int, block: int, value: Words) -> Words:
        letter = self.letter(name, branch, block)
        words = {(letter, *word): weight for word, weight in value.items()}
        if self.suffixes_of is None:
            return words
        return {word: weight for word, weight in words.items() if self.suffixes_of[-len(word) :] == word}


def in_order(words: Words) -> list[tuple[Word, Scalar]]:
    """Paths with their weights, the shortest first, then those through earlier blocks."""
    return sorted(
        words.items(), key=lambda each: (len(each[0]), [(part.block, part.name, part.branch) for part in each[0]])
    )


def render_words(words: Words) -> str:
    """A sum of paths as text: `1 + F1 - 0.5 F2 F1`; 1 is the path that passes no residual function."""
    text = ""
    for word, weight in in_order(words):
        size = render_weight(weight).removeprefix("-")
        factors = [*([size] if size != "1" or not word else []), *map(str, word)]
        sign = ("-" if weight < 0 else "") if not text else " - " if weight < 0 else " + "
        text += sign + " ".join(factors)
    return text or "0"


def plain_number(weight: Scalar) -> int | float:
    """The weight of a path as JSON has it: an int where it is whole, else a float."""
    return int(weight) if weight == int(weight) else float(weight)


def render_weight(weight: Scalar) -> str:
    """The weight of a path: exact, or to six digits where it is not rational."""
    return render_number(weight) if isinstance(weight, Fraction) else f"{weight:.6g}"
