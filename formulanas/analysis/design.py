"""Design backwards: from wanted path counts to the recursion that has them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from formulanas.analysis.path_counts import Polynomial, read_path_counts
from formulanas.analysis.words import path_polynomial
from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import add, multiply
from formulanas.formula.bind import bind
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.recursion import Recursion

DEFAULT_DEPTH, MAX_DEPTH = 4, 6
NUM_BLOCKS = 24  # the block counts over which an expression is solved and verified
MAX_FUNCTIONS = 16  # residual functions a block; a larger multiplicity is written as a coefficient

Row = list[Fraction]  # an equation: the factor of each coefficient that is sought, then the right-hand side


@dataclass(frozen=True)
class Term:
    """A term of the recursion with the path polynomial P[n-back], or P[0] where `back` is None; times z if `passes`.

    x[n-back], F[n-back+1](x[n-back]), which block n-back+1 has computed and cached, the anchor x[0] or F[n](x[0]).
    """

    back: int | None
    passes: bool

    def polynomial(self, wanted: Sequence[Polynomial], block: int) -> Polynomial:
        """What the term adds to the path polynomial of `block`, but for its coefficient; nothing before block 0."""
        source = 0 if self.back is None else block - self.back
        if source < 0:
            return {}
        return {length + self.passes: weight for length, weight in wanted[source].items()}


@dataclass(frozen=True)
class Design:
    """The recursion of least history depth, then of fewest terms, with the wanted path counts; None if there is none.

    The path counts over 1 to `determined_by` blocks determine the coefficients, those over up to `num_blocks` verify
    them: `exact` says that there were some left and that all agree. `reason` says why there is no recursion, where
    the path counts over 1 to `num_blocks` blocks rule it out.
    """

    recursion: BoundRecursion | None = None
    determined_by: int = 0
    num_blocks: int = 0
    exact: bool = False
    reason: str | None = None

    @property
    def statement(self) -> str:
        """What was found, for a reader."""
        if self.recursion is None:
            return f"no recursion: {self.reason}"
        depth = f"history depth {self.recursion.history_depth}"
        if self.recursion.reads_anchor:
            depth += " and the anchor x[0]"
        checked = f"the paths over {_over(1, self.determined_by)} determine it, and "
        if self.exact:
            checked += f"those over {_over(self.determined_by + 1, self.num_blocks)} agree with it"
        else:
            checked += "none are left to verify it by: give the table more rows"
        return f"{self.recursion.text}\n{depth}; {checked}"


def design(path_counts: str, max_depth: int = DEFAULT_DEPTH, values: Mapping[str, str] | None = None) -> Design:
    """The recursion whose path polynomial d x[L] / d x[0], with every F' = z, is the wanted one for every L.

    `path_counts` is an expression in z and L, such as `(1+z)^L`, or a table of rows (analysis/path_counts.py), in
    which `values` stand for further names. The
    terms considered are x[n-i] and F[n-i+1](x[n-i]) for i up to the history depth, with rational coefficients; where
    none of depth 1 to `max_depth` fits, the anchor x[0] and F[n](x[0]) join them. A coefficient k of the youngest
    residual function, positive and whole, is written as k residual functions (Abdi and Nahavandi 1609.05672); as a
    linear system that is the same. What is before the first block is zero. Generalises the derivation of eq. (20) of
    Liao et al. 2108.08689. Raises InputError for path counts that cannot be read.
    """
    if not 1 <= max_depth <= MAX_DEPTH:
        raise InputError(f"1 <= history depth <= {MAX_DEPTH} must hold, but got {max_depth} (--max-depth)")
    wanted = read_path_counts(path_counts, NUM_BLOCKS, values)
    last = len(wanted) - 1
    if last < 1:
        raise InputError("a table needs the rows of L = 0 and L = 1 at least, such as 1; 1,1; 1,1,1")
    if wanted[0] != {0: 1}:
        given = ", ".join(f"{weight} of length {length}" for length, weight in sorted(wanted[0].items())[:5]) or "none"
        return Design(
            reason=f"over 0 blocks the only path is the stem itself, 1 of length 0, but at L = 0 there are {given}"
        )
    if not any(wanted[1:]):
        return Design(num_blocks=last, reason="where no path leads to the last block, every state is zero")
    determined_by = 0
    for terms in _candidates(max_depth):
        equations, determined_by, agree = _independent(terms, wanted)
        coefficients = _fewest(equations, len(terms)) if agree else None
        if coefficients is None:
            continue
        recursion = _recursion({terms[index]: value for index, value in coefficients.items()})
        same = all(path_polynomial(recursion, blocks) == wanted[blocks] for blocks in range(1, last + 1))
        return Design(recursion, determined_by, last, exact=same and determined_by < last)
    return Design(
        num_blocks=determined_by,
        reason="no sum of x[n-i], F[n-i+1](x[n-i]), x[0] and F[n](x[0]) with rational coefficients has these path "
        f"counts up to history depth {max_depth}; those over {_over(1, determined_by)} already rule it out",
    )


def _over(first: int, last: int) -> str:
    return f"{first} to {last} blocks" if first < last else f"{last} block{'s' if last > 1 else ''}"


def _candidates(max_depth: int) -> Iterator[list[Term]]:
    """The terms of each history depth, the youngest first; with the anchor only after all depths without it."""
    anchored = [Term(None, False), Term(None, True)]
    history: list[list[Term]] = [[]]
    for depth in range(1, max_depth + 1):
        history.append([*history[-1], Term(depth, False), Term(depth, True)])
    yield from history[1:]
    yield from (terms + anchored for terms in history)


def _independent(terms: Sequence[Term], wanted: Sequence[Polynomial]) -> tuple[list[Row], int, bool]:
    """Independent equations for the coefficients, the block count that gave the last one, and whether they agree."""
    equations: list[Row] = []
    last = 0
    for block in range(1, len(wanted)):
        columns = [*(term.polynomial(wanted, block) for term in terms), wanted[block]]
        lengths = sorted(set().union(*columns))
        rows = [[column.get(length, Fraction(0)) for column in columns] for length in lengths]
        reduced = _eliminate([*equations, *rows])
        if reduced is None:
            return equations, block, False
        if len(reduced) > len(equations):
            equations, last = reduced, block
    return equations, last, True


def _fewest(equations: Sequence[Row], num_terms: int) -> dict[int, Fraction] | None:
    """The fewest terms whose coefficients solve the equations, by their places; None where every coefficient is zero.

    Terms that leave a coefficient free are passed over: there is a solution with fewer.
    """
    for count in range(1, num_terms + 1):
        for places in combinations(range(num_terms), count):
            reduced = _eliminate([row[column] for column in (*places, -1)] for row in equations)
            if reduced is not None and len(reduced) == count:
                return dict(zip(places, (row[-1] for row in sorted(reduced, reverse=True)), strict=True))
    return None


def _eliminate(rows: Iterable[Row]) -> list[Row] | None:
    """Gauss and Jordan's elimination: independent rows with a leading 1 alone in its column; None if contradictory."""
    reduced: list[tuple[int, Row]] = []
    for row in rows:
        for pivot, other in reduced:
            row = _without(row, pivot, other)
        pivot = next((column for column, value in enumerate(row) if value), len(row))
        if pivot == len(row) - 1:
            return None
        if pivot < len(row):
            row = [value / row[pivot] for value in row]
            reduced = [(column, _without(other, pivot, row)) for column, other in reduced]
            reduced.append((pivot, row))
    return [row for _, row in reduced]


def _without(row: Row, pivot: int, other: Row) -> Row:
    """`row` less the multiple of `other`, with a 1 at `pivot`, that makes it zero there."""
    factor = row[pivot]
    return [value - factor * each for value, each in zip(row, other, strict=True)] if factor else row


def _recursion(coefficients: Mapping[Term, Fraction]) -> BoundRecursion:
    """The recursion with these terms, its multiplicities written as residual functions."""
    history = [(term.back, value) for term, value in coefficients.items() if term.passes and term.back is not None]
    functions = _multiplicity(min(history)[1]) if history else 0
    terms: list[ex.Expression] = []
    for term, coefficient in coefficients.items():
        state = ex.State("x", ex.ZERO if term.back is None else _back(term.back))
        if not term.passes:
            terms.append(multiply((ex.Number(coefficient), state)))
            continue
        first, count = (1, functions) if term.back is not None else (functions + 1, _multiplicity(coefficient))
        if coefficient % count:
            count = 1
        for label in range(first, first + count):
            call = ex.Transform("F", _back(0 if term.back is None else term.back - 1), ex.number(label), state)
            terms.append(multiply((ex.Number(coefficient / count), call)))
    return bind(Recursion({"x": add(terms)}))


def _multiplicity(coefficient: Fraction) -> int:
    """How many residual functions say a coefficient: k for a positive whole k, else one."""
    return int(coefficient) if coefficient.denominator == 1 and 1 <= coefficient <= MAX_FUNCTIONS else 1


def _back(blocks: int) -> ex.Expression:
    return add((ex.BLOCK, ex.number(-blocks))) if blocks else ex.BLOCK
