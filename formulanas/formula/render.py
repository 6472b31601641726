"""From a recursion back to text, which parses to the same recursion."""

from fractions import Fraction
from typing import assert_never

from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import negate, split_coefficient
from formulanas.formula.expressions import Expression
from formulanas.formula.recursion import Recursion

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)  # how tightly a text binds


def render(recursion: Recursion) -> str:
    """The text of `recursion`, equations and declarations separated by `; `."""
    lines = [f"{name}[n] = {render_expression(value)}" for name, value in recursion.equations.items()]
    lines += [f"{name} = {value}" for name, value in recursion.declarations.items()]
    return "; ".join(lines)


def render_expression(expression: Expression) -> str:
    """The text of one expression."""
    return _text(expression)[0]


def render_number(value: Fraction) -> str:
    """A decimal where that is exact and short, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = repr(float(value))
    short = len(decimal) <= 8 or value.denominator > 10**9
    if "e" not in decimal and short and Fraction(decimal) == value:
        return decimal
    return f"{value.numerator}/{value.denominator}"


def _wrap(expression: Expression, binding: int) -> str:
    text, own = _text(expression)
    return f"({text})" if own < binding else text


def index_text(expression: Expression) -> str:
    """The text of an index, without spaces."""
    return render_expression(expression).replace(" ", "")


def _text(expression: Expression) -> tuple[str, int]:
    match expression:
        case ex.Number(value):
            text = render_number(value)
            return text, UNARY if value < 0 else PRODUCT if "/" in text else ATOM
        case ex.Index(name):
            return name, ATOM
        case ex.Symbol(name, indices):
            return f"{name}[{', '.join(map(index_text, indices))}]" if indices else name, ATOM
        case ex.State(sequence, index):
            return f"{sequence}[{index_text(index)}]", ATOM
        case ex.Transform(name, index, branch, argument):
            inside = index_text(index) if branch == ex.ONE else f"{index_text(index)}, {index_text(branch)}"
            parts = argument.parts if isinstance(argument, ex.Concat) else (argument,)
            return f"{name}[{inside}]({', '.join(map(render_expression, parts))})", ATOM
        case ex.Operation(name, argument):
            return f"{name}({render_expression(argument)})", ATOM
        case ex.Add(terms):
            text = _wrap(terms[0], PRODUCT)
            for term in terms[1:]:
                negative = split_coefficient(term)[0] < 0
                text += f" - {_wrap(negate(term), PRODUCT)}" if negative else f" + {_wrap(term, PRODUCT)}"
            return text, SUM
        case ex.Multiply(factors):
            return _product(factors), PRODUCT
        case ex.Power(base, ex.Number(Fraction(numerator=1, denominator=2))):
            return f"sqrt({render_expression(base)})", ATOM
        case ex.Power(base, ex.Number(value)) if value < 0:
            return f"1 / {_wrap(inverse(base, value), UNARY)}", PRODUCT
        case ex.Power(base, exponent):
            return f"{_wrap(base, ATOM)}**{_wrap(exponent, ATOM)}", POWER
        case ex.Sum(body, variable, low, high, kind):
            bounds = f"({variable}, {index_text(low)}, {index_text(high)})"
            return f"{kind}({render_expression(body)}, {bounds})", ATOM
        case ex.Concat(parts):
            return f"concat({', '.join(map(render_expression, parts))})", ATOM
        case ex.Slice(argument, start, stop):
            first, last = ("" if part is None else index_text(part) for part in (start, stop))
            return f"{_wrap(argument, ATOM)}[{first}:{last}]", ATOM
        case ex.Drop(argument, rate, per):
            option = "" if per == "image" else f', per="{per}"'
            return f"drop({render_expression(argument)}, {render_expression(rate)}{option})", ATOM
        case ex.Learn(start, per, constraint, name):
            options = "" if per == "block" else f', per="{per}"'
            options += "" if constraint is None else f', constraint="{constraint}"'
            options += "" if name is None else f', name="{name}"'
            return f"learn({render_expression(start)}{options})", ATOM
        case ex.Random(distribution, parameters, name):
            label = "" if name is None else f', name="{name}"'
            return f"{distribution}({', '.join(map(render_expression, parameters))}{label})", ATOM
        case ex.Floor(argument):
            return f"floor({render_expression(argument)})", ATOM
        case _:
            assert_never(expression)


def inverse(base: Expression, exponent: Fraction) -> Expression:
    """What a factor with a negative exponent divides by."""
    return base if exponent == -1 else ex.Power(base, ex.Number(-exponent))


def _product(factors: tuple[Expression, ...]) -> str:
    text = ""
    if factors[0] == ex.MINUS_ONE:
        text, factors = "-", factors[1:]
    for number, factor in enumerate(factors):
        match factor:
            case ex.Power(base, ex.Number(value)) if value < 0:
                text += f"{' / ' if number else '1 / '}{_wrap(inverse(base, value), UNARY)}"
            case _:
                text += f"{' * ' if number else ''}{_wrap(factor, UNARY if number else PRODUCT)}"
    return text
