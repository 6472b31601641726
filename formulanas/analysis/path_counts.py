"""Wanted path counts as text: an expression in z and L, or a table of the first rows."""

import ast
from collections.abc import Mapping
from fractions import Fraction
from math import comb, factorial, inf
from typing import NoReturn

from formulanas.errors import FormulaError, InputError, unknown_name

Polynomial = dict[int, Fraction]  # the weight of all paths of each length, zeros left out

MAX_CHARACTERS, MAX_ROWS = 1_000, 100
MAX_WHOLE = 1_000  # of exponents, factorials and the terms of a sum
MAX_BITS = 20_000  # of a coefficient
MAX_WORK = 200_000  # parts of the expression read and coefficients multiplied, in all
WRITABLE = "numbers, z, L, + - * / ^, sum(z^i, i, 0, L), binomial(L, i) and factorial(L)"


def read_path_counts(text: str, num_blocks: int, values: Mapping[str, str] | None = None) -> list[Polynomial]:
    """The wanted path polynomials P_0, P_1, ... that `text` writes.

    An expression such as `(1+2*z)^L` or `sum(z^i, i, 0, L)` gives those of L = 0 to `num_blocks`, where z marks a
    residual function that is passed; `^` and `**` are powers. A table such as `1; 1,1; 1,1,1` has a row for each L,
    with the weights of the paths of length 0, 1, ... `values` are numbers for further names, such as k in `(1+k*z)^L`.
    Raises InputError for anything else.
    """
    if ";" not in text:
        reader = _Reader(text)
        names = {"z": {1: Fraction(1)}} | {
            name: _Reader(value).polynomial({}) for name, value in (values or {}).items()
        }
        return [reader.polynomial({**names, "L": _constant(count)}) for count in range(num_blocks + 1)]
    rows = text.removesuffix(";").split(";")
    if len(rows) > MAX_ROWS:
        raise InputError(f"a table of path counts has at most {MAX_ROWS} rows, this one has {len(rows)}")
    return [_row(row, blocks) for blocks, row in enumerate(rows)]


def _row(text: str, num_blocks: int) -> Polynomial:
    try:
        entries = [_Reader(entry).polynomial({}).get(0, Fraction(0)) for entry in text.split(",")]
    except FormulaError as error:
        raise InputError(
            f"the row of L = {num_blocks} must hold numbers separated by commas, but is {text.strip()!r}: {error}"
        ) from None
    return {length: weight for length, weight in enumerate(entries) if weight}


def _constant(value: int | Fraction) -> Polynomial:
    return {0: Fraction(value)} if value else {}


class _Reader:
    """Evaluates an expression over polynomials in z, node by node of a whitelist; `work` bounds what that takes."""

    def __init__(self, text: str) -> None:
        self.text = text.strip().replace("^", "**")
        self.work = 0
        if not self.text or not self.text.isascii() or "\n" in self.text or len(self.text) > MAX_CHARACTERS:
            raise FormulaError(
                f"path counts are one line of 1 to {MAX_CHARACTERS:,} ASCII characters, such as (1+z)^L, "
                f"but got {text[:40]!r}"
            )
        try:
            self.body = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            column = max((error.offset or 1) - 1, 0)
            raise FormulaError(f"the path counts cannot be read: {error.msg}", self.text, 1, column) from None
        except (RecursionError, MemoryError, ValueError):
            raise FormulaError("the path counts are nested too deeply to be read") from None

    def fail(self, message: str, node: ast.AST) -> NoReturn:
        raise FormulaError(message, self.text, 1, getattr(node, "col_offset", 0))

    def polynomial(self, names: Mapping[str, Polynomial]) -> Polynomial:
        """The value of the expression, given that of each name."""
        try:
            return self.value(self.body, names)
        except RecursionError:
            raise FormulaError("the path counts are nested too deeply to be read") from None

    def value(self, node: ast.expr, names: Mapping[str, Polynomial]) -> Polynomial:
        self.spend(1, node)
        match node:
            case ast.Constant(int() | float() as constant) if not isinstance(constant, bool):
                if constant == inf:
                    self.fail("numbers go up to 1e308 where they are not whole", node)
                return _constant(Fraction(repr(constant)))
            case ast.Name(name):
                if name not in names:
                    self.fail(unknown_name("variable", name, names) if names else "a number is expected", node)
                return names[name]
            case ast.UnaryOp(ast.UAdd(), operand):
                return self.value(operand, names)
            case ast.UnaryOp(ast.USub(), operand):
                return self.times(self.value(operand, names), _constant(-1), node)
            case ast.BinOp(left, ast.Add(), right):
                return _plus(self.value(left, names), self.value(right, names))
            case ast.BinOp(left, ast.Sub(), right):
                return _plus(self.value(left, names), self.times(self.value(right, names), _constant(-1), node))
            case ast.BinOp(left, ast.Mult(), right):
                return self.times(self.value(left, names), self.value(right, names), node)
            case ast.BinOp(left, ast.Div(), right):
                divisor = self.number(right, names)
                if not divisor:
                    self.fail(f"division by zero{_place(names)}", right)
                return self.times(self.value(left, names), _constant(1 / divisor), node)
            case ast.BinOp(left, ast.Pow(), right):
                return self.power(self.value(left, names), self.number(right, names), node, _place(names))
            case ast.Call(ast.Name("sum"), [body, ast.Name(variable), low, high], []):
                return self.sum(body, variable, low, high, names)
            case ast.Call(ast.Name("sum"), [body, ast.Tuple([ast.Name(variable), low, high])], []):
                return self.sum(body, variable, low, high, names)
            case ast.Call(ast.Name("binomial"), [above, below], []):
                return _constant(comb(self.whole(above, names, 0), self.whole(below, names, 0)))
            case ast.Call(ast.Name("factorial"), [argument], []):
                return _constant(factorial(self.whole(argument, names, 0)))
        self.fail(f"path counts are written with {WRITABLE}", node)

    def number(self, node: ast.expr, names: Mapping[str, Polynomial]) -> Fraction:
        value = self.value(node, names)
        if value.keys() - {0}:
            self.fail("a number is needed here, without z", node)
        return value.get(0, Fraction(0))

    def whole(self, node: ast.expr, names: Mapping[str, Polynomial], low: int) -> int:
        value = self.number(node, names)
        if value.denominator != 1 or not low <= value <= MAX_WHOLE:
            self.fail(f"a whole number from {low} to {MAX_WHOLE:,} is needed, but got {value}{_place(names)}", node)
        return int(value)

    def sum(
        self, body: ast.expr, variable: str, low: ast.expr, high: ast.expr, names: Mapping[str, Polynomial]
    ) -> Polynomial:
        if not variable.islower() or variable == "z":
            self.fail(f"{variable} cannot be the variable of a sum; take i", body)
        total: Polynomial = {}
        for step in range(self.whole(low, names, -MAX_WHOLE), self.whole(high, names, -MAX_WHOLE) + 1):
            total = _plus(total, self.value(body, {**names, variable: _constant(step)}))
        return total

    def power(self, base: Polynomial, exponent: Fraction, node: ast.expr, where: str) -> Polynomial:
        if exponent.denominator != 1 or abs(exponent) > MAX_WHOLE:
            self.fail(f"an exponent is a whole number up to {MAX_WHOLE:,}, but got {exponent}{where}", node)
        if exponent < 0:
            if base.keys() != {0}:
                self.fail(f"only a number can be raised to {exponent}{where}", node)
            base, exponent = _constant(1 / base[0]), -exponent
        result = _constant(1)
        for digit in f"{int(exponent):b}":
            result = self.times(result, result, node)
            if digit == "1":
                result = self.times(result, base, node)
        return result

    def times(self, left: Polynomial, right: Polynomial, node: ast.expr) -> Polynomial:
        self.spend(len(left) * len(right), node)
        result: Polynomial = {}
        for first, weight in left.items():
            for second, other in right.items():
                result[first + second] = result.get(first + second, Fraction(0)) + weight * other
        if any(max(abs(each.numerator), each.denominator).bit_length() > MAX_BITS for each in result.values()):
            self.fail("the path counts become too large to work with exactly", node)
        return {length: weight for length, weight in result.items() if weight}

    def spend(self, work: int, node: ast.expr) -> None:
        self.work += work
        if self.work > MAX_WORK:
            self.fail("these path counts take too long to work out; write them with fewer terms", node)


def _plus(left: Polynomial, right: Polynomial) -> Polynomial:
    total = {length: left.get(length, Fraction(0)) + right.get(length, Fraction(0)) for length in left | right}
    return {length: weight for length, weight in total.items() if weight}


def _place(names: Mapping[str, Polynomial]) -> str:
    """Where an expression fails for some numbers of blocks only."""
    return f" (at L = {names['L'].get(0, 0)})" if "L" in names else ""
