"""From text to a recursion: Python's own parser, and a whitelist of what a formula may contain."""

import ast
import textwrap
from fractions import Fraction
from typing import Literal, NoReturn, cast

from formulanas.errors import FormulaError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import MAX_NUMBER, add, multiply, power
from formulanas.formula.expressions import Expression
from formulanas.formula.recursion import POLICIES, Recursion

MAX_CHARACTERS = 4_000
WORDS = {"n", "width", "sum", "mean", "concat", "drop", "learn", "uniform", "bernoulli", "sqrt", "floor"}
RESERVED = {*WORDS, *ex.OPERATIONS, *POLICIES}
WRITABLE = "numbers, + - * / **, states x[n-1], transforms F[n](u), operations relu(u) and sum(u, (i, 1, p))"


def parse(text: str) -> Recursion:
    """The recursion that `text` writes: equations and declarations, one a line or separated by `;`.

    Raises FormulaError, with a caret under the place, for anything that the formula language does not have.
    """
    return _Parser(text).recursion()


def parse_expression(text: str) -> Expression:
    """The expression that `text` writes outside of any equation: the value of a symbol, `1/2` or `n`."""
    parser = _Parser(text)
    match parser.module.body:
        case [ast.Expr(value)]:
            return parser.expression(value, frozenset())
    raise FormulaError("an expression is expected, such as 1/2, n or learn(1)", parser.text)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = textwrap.dedent(text).strip()
        for offset, character in enumerate(self.text):
            if character != "\n" and not " " <= character <= "~":
                line = self.text.count("\n", 0, offset) + 1
                column = offset - self.text.rfind("\n", 0, offset) - 1
                raise FormulaError(f"a formula is plain ASCII, but has {character!r}", self.text, line, column)
        if len(self.text) > MAX_CHARACTERS:
            raise FormulaError(f"a formula has at most {MAX_CHARACTERS} characters, this one has {len(self.text)}")
        if not self.text:
            raise FormulaError("the formula is empty; the smallest is x[n] = F[n](x[n-1])")
        try:
            self.module = ast.parse(self.text)
        except SyntaxError as error:
            line, column = error.lineno or 1, max((error.offset or 1) - 1, 0)
            raise FormulaError(f"the formula cannot be read: {error.msg}", self.text, line, column) from None
        except (RecursionError, MemoryError):
            raise FormulaError("the formula is nested too deeply to be read") from None
        self.sequences: tuple[str, ...] = ()

    def fail(self, message: str, node: ast.AST) -> NoReturn:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        raise FormulaError(message, self.text, line, column)

    def recursion(self) -> Recursion:
        equations: list[tuple[str, ast.expr]] = []
        declarations: dict[str, str] = {}
        for statement in self.module.body:
            match statement:
                case ast.Assign([ast.Subscript(ast.Name(name), ast.Name("n")) as target], value):
                    if not name.islower() or name in RESERVED:
                        self.fail("a sequence has a lower-case name that is not a word of the language", target)
                    if name in dict(equations):
                        self.fail(f"{name}[n] is defined twice", target)
                    equations.append((name, value))
                case ast.Assign([target], value) if (declared := self.declared(target)) is not None:
                    if not isinstance(value, ast.Name):
                        self.fail(f"{declared} is declared by a name, such as {declared} = reset", value)
                    declarations[declared] = value.id
                case _:
                    self.fail(
                        "each line is an equation name[n] = expression, or a declaration shape = reset", statement
                    )
        self.sequences = tuple(name for name, _ in equations)
        if "x" not in self.sequences:
            raise FormulaError("every formula defines the state: x[n] = ...", self.text)
        for declared in declarations:
            if "[" in declared and declared.split("[")[1][:-1] not in self.sequences:
                raise FormulaError(
                    f"{declared}: {unknown_name('sequence', declared.split('[')[1][:-1], self.sequences)}"
                )
        try:
            return Recursion({name: self.expression(value, frozenset()) for name, value in equations}, declarations)
        except RecursionError:
            raise FormulaError("the formula is nested too deeply to be read") from None

    def declared(self, target: ast.expr) -> str | None:
        match target:
            case ast.Name(name) if name in POLICIES or (name.isupper() and name != "N"):
                return name
            case ast.Subscript(ast.Name(name), ast.Name(sequence)) if name in POLICIES:
                return f"{name}[{sequence}]"
        return None

    def expression(self, node: ast.expr, scope: frozenset[str]) -> Expression:
        def inner(part: ast.expr) -> Expression:
            return self.expression(part, scope)

        match node:
            case ast.Constant(int() | float() as value) if not isinstance(value, bool):
                return ex.Number(self.constant(node, value))
            case ast.Name(name):
                return self.name(node, name, scope)
            case ast.UnaryOp(ast.USub(), operand):
                return multiply((ex.MINUS_ONE, inner(operand)))
            case ast.UnaryOp(ast.UAdd(), operand):
                return inner(operand)
            case ast.BinOp(left, ast.Add(), right):
                return add((inner(left), inner(right)))
            case ast.BinOp(left, ast.Sub(), right):
                return add((inner(left), multiply((ex.MINUS_ONE, inner(right)))))
            case ast.BinOp(left, ast.Mult(), right):
                return multiply((inner(left), inner(right)))
            case ast.BinOp(left, ast.Div(), right):
                return multiply((inner(left), self.power(right, inner(right), ex.MINUS_ONE)))
            case ast.BinOp(left, ast.Pow(), right):
                exponent = inner(right)
                if not ex.is_scalar(exponent):
                    self.fail("an exponent is a number, not a state", right)
                return self.power(left, inner(left), exponent)
            case ast.Subscript(ast.Name(name), index) if name.islower() and not isinstance(index, ast.Slice):
                return self.subscript(node, name, index, scope)
            case ast.Subscript(value, ast.Slice(lower, upper, None)):
                start = None if lower is None else self.scalar(lower, scope)
                stop = None if upper is None else self.scalar(upper, scope)
                return ex.Slice(inner(value), start, stop)
            case ast.Call(ast.Subscript(ast.Name(name), index), [_, *_] as arguments, []) if self.is_transform(name):
                parts = tuple(inner(argument) for argument in arguments)
                return self.transform(name, index, parts[0] if len(parts) == 1 else ex.Concat(parts), scope)
            case ast.Call(ast.Name(name), arguments, keywords):
                return self.call(node, name, arguments, keywords, scope)
        self.fail(f"this is not part of the formula language, which has {WRITABLE}", node)

    def constant(self, node: ast.expr, value: float) -> Fraction:
        if not abs(value) <= MAX_NUMBER:
            self.fail(f"a number lies between {-MAX_NUMBER:.0e} and {MAX_NUMBER:.0e}", node)
        return Fraction(repr(value))  # the decimal as written: 0.1 is one tenth

    def name(self, node: ast.expr, name: str, scope: frozenset[str]) -> Expression:
        if name in ("n", "N", "width") or name in scope:
            return ex.Index(name)
        if name in self.sequences:
            self.fail(f"{name} is a sequence: say which of its values, {name}[n-1]", node)
        if not name.islower() or name in RESERVED:
            self.fail(f"{name} cannot stand alone here; a free symbol has a lower-case name of its own", node)
        return ex.Symbol(name)

    def power(self, node: ast.expr, base: Expression, exponent: Expression) -> Expression:
        if not ex.is_scalar(base):
            self.fail("only a number can be a divisor or be raised to a power, not a state", node)
        if base == ex.ZERO:
            self.fail("this divides by zero, or raises zero to a power", node)
        return power(base, exponent)

    def scalar(self, node: ast.expr, scope: frozenset[str]) -> Expression:
        value = self.expression(node, scope)
        if not ex.is_scalar(value):
            self.fail("a number is expected here, not a state", node)
        return value

    def subscript(self, node: ast.expr, name: str, index: ast.expr, scope: frozenset[str]) -> Expression:
        if name in self.sequences:
            return ex.State(name, self.scalar(index, scope))
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        indices = tuple(self.scalar(part, scope) for part in parts)
        if any(part in (ex.BLOCK, ex.NUM_BLOCKS) for each in indices for part in ex.walk(each)):
            self.fail(unknown_name("sequence", name, self.sequences) + "; a symbol a[i] is not indexed by n", node)
        if name in RESERVED:
            self.fail(f"{name} is a word of the language and cannot be a symbol", node)
        return ex.Symbol(name, indices)

    def is_transform(self, name: str) -> bool:
        return name.isupper() and name != "N"

    def transform(self, name: str, index: ast.expr, argument: Expression, scope: frozenset[str]) -> Expression:
        branch: Expression = ex.ONE
        if isinstance(index, ast.Tuple):
            if len(index.elts) != 2:
                self.fail(f"{name}[n, j] has a block and the number of one of its residual functions", index)
            branch, index = self.scalar(index.elts[1], scope), index.elts[0]
        return ex.Transform(name, self.scalar(index, scope), branch, argument)

    def call(
        self, node: ast.expr, name: str, arguments: list[ast.expr], keywords: list[ast.keyword], scope: frozenset[str]
    ) -> Expression:
        if keywords and name not in ("learn", "uniform", "bernoulli", "drop"):
            self.fail(f"{name} takes no named arguments", node)
        match name, arguments:
            case (("sum" | "mean" | "concat"), [body, ast.Tuple([ast.Name(variable), low, high])]):
                if not variable.islower() or variable in RESERVED or variable in self.sequences:
                    self.fail(f"{variable} cannot be the variable of a {name}", node)
                bounds = self.scalar(low, scope), self.scalar(high, scope)
                inner = self.expression(body, scope | {variable})
                return ex.Sum(inner, variable, *bounds, kind=name)
            case (("sum" | "mean"), _):
                self.fail(f"write {name}(expression, (i, 1, p))", node)
            case "sqrt", [argument]:
                return self.power(argument, self.scalar(argument, scope), ex.Number(Fraction(1, 2)))
            case "concat", [_, _, *_]:
                return ex.Concat(tuple(self.expression(argument, scope) for argument in arguments))
            case "drop", [argument, rate]:
                match keywords:
                    case [] | [ast.keyword("per", ast.Constant("image" | "unit"))]:
                        per: Literal["image", "unit"] = "unit" if "unit" in map(_constant, keywords) else "image"
                        return ex.Drop(self.expression(argument, scope), self.scalar(rate, scope), per)
                self.fail('drop(u, q) keeps whole images; drop(u, q, per="unit") each unit', node)
            case "learn", [start]:
                return self.learn(node, start, keywords, scope)
            case ("uniform", [_, _]) | ("bernoulli", [_]):
                parameters = tuple(self.scalar(argument, scope) for argument in arguments)
                return ex.Random(cast(Literal["uniform", "bernoulli"], name), parameters, self.label(node, keywords))
            case "floor", [argument]:
                return ex.Floor(self.scalar(argument, scope))
            case _, _ if name in WORDS:
                usual = "sqrt(N), floor(n / 2), concat(u, v), drop(u, 0.1), learn(1.0), uniform(0, 1), bernoulli(0.5)"
                self.fail(f"{name} takes other arguments: {usual}", node)
            case _, [argument] if name in ex.OPERATIONS or (name.islower() and name not in RESERVED):
                if name in self.sequences:
                    self.fail(f"{name} is a sequence: write {name}[n-1]", node)
                return ex.Operation(name, self.expression(argument, scope))
            case _ if name.isupper():
                self.fail(f"a transform names its block: {name}[n](u)", node)
        self.fail(f"{name} takes one argument here", node)

    def learn(self, node: ast.expr, start: ast.expr, keywords: list[ast.keyword], scope: frozenset[str]) -> Expression:
        options = {keyword.arg: keyword.value for keyword in keywords}
        per, constraint, name = (options.pop(option, None) for option in ("per", "constraint", "name"))
        chosen = "block" if per is None else ast.literal_eval(per) if isinstance(per, ast.Constant) else None
        limit = ast.literal_eval(constraint) if isinstance(constraint, ast.Constant) else None
        known = chosen in ("block", "channel") and limit in (None, "softmax", "sum", "sigmoid")
        if known and not options and (constraint is None) == (limit is None):
            label = None if name is None else self.label(node, [ast.keyword("name", name)])
            return ex.Learn(self.scalar(start, scope), cast(Literal["block", "channel"], chosen), limit, label)
        self.fail('learn(1.0) takes per="channel" and constraint="softmax", "sum" or "sigmoid"', node)

    def label(self, node: ast.expr, keywords: list[ast.keyword]) -> str | None:
        """The `name="a"` of a coefficient that stands in several places."""
        match keywords:
            case []:
                return None
            case [ast.keyword("name", ast.Constant(str(name)))] if name.isidentifier() and name.islower():
                return name
        self.fail('the only named argument is name="a", a lower-case word', node)


def _constant(keyword: ast.keyword) -> object:
    return keyword.value.value if isinstance(keyword.value, ast.Constant) else None
