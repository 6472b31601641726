"""From a recursion back to text, which parses to the same recursion, and to LaTeX, as papers print it."""

from fractions import Fraction
from typing import assert_never

from formulanas.formula import expressions as ex
from formulanas.formula.algebra import negate, split_coefficient
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
    if "e" not in decimal and len(decimal) <= 8 and Fraction(decimal) == value:
        return decimal
    return f"{value.numerator}/{value.denominator}"


def _wrap(expression: Expression, binding: int) -> str:
    text, own = _text(expression)
    return f"({text})" if own < binding else text


def _index(expression: Expression) -> str:
    return render_expression(expression).replace(" ", "")


def _text(expression: Expression) -> tuple[str, int]:
    match expression:
        case ex.Number(value):
            text = render_number(value)
            return text, UNARY if value < 0 else PRODUCT if "/" in text else ATOM
        case ex.Index(name):
            return name, ATOM
        case ex.Symbol(name, indices):
            return f"{name}[{', '.join(map(_index, indices))}]" if indices else name, ATOM
        case ex.State(sequence, index):
            return f"{sequence}[{_index(index)}]", ATOM
        case ex.Transform(name, index, branch, argument):
            place = _index(index) if branch == ex.ONE else f"{_index(index)}, {_index(branch)}"
            return f"{name}[{place}]({render_expression(argument)})", ATOM
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
            return f"1 / {_wrap(_inverse(base, value), UNARY)}", PRODUCT
        case ex.Power(base, exponent):
            return f"{_wrap(base, ATOM)}**{_wrap(exponent, ATOM)}", POWER
        case ex.Sum(body, variable, low, high, mean):
            bounds = f"({variable}, {_index(low)}, {_index(high)})"
            return f"{'mean' if mean else 'sum'}({render_expression(body)}, {bounds})", ATOM
        case ex.Concat(parts):
            return f"concat({', '.join(map(render_expression, parts))})", ATOM
        case ex.Slice(argument, start, stop):
            first, last = ("" if part is None else _index(part) for part in (start, stop))
            return f"{_wrap(argument, ATOM)}[{first}:{last}]", ATOM
        case ex.Drop(argument, rate):
            return f"drop({render_expression(argument)}, {render_expression(rate)})", ATOM
        case ex.Learn(start, per, constraint):
            options = "" if per == "block" else f', per="{per}"'
            options += "" if constraint is None else f', constraint="{constraint}"'
            return f"learn({render_expression(start)}{options})", ATOM
        case _:
            assert_never(expression)


def _inverse(base: Expression, exponent: Fraction) -> Expression:
    return base if exponent == -1 else ex.Power(base, ex.Number(-exponent))


def _product(factors: tuple[Expression, ...]) -> str:
    text = ""
    if factors[0] == ex.MINUS_ONE:
        text, factors = "-", factors[1:]
    for place, factor in enumerate(factors):
        match factor:
            case ex.Power(base, ex.Number(value)) if value < 0:
                text += f"{' / ' if place else '1 / '}{_wrap(_inverse(base, value), UNARY)}"
            case _:
                text += f"{' * ' if place else ''}{_wrap(factor, UNARY if place else PRODUCT)}"
    return text


def render_latex(recursion: Recursion) -> str:
    """LaTeX for the equations of `recursion` as papers print them: lower indices, `n` as the block."""
    lines = [rf"{name}_{{n}} &= {_latex(value)[0]}" for name, value in recursion.equations.items()]
    if len(lines) == 1:
        return lines[0].replace("&", "")
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def _latex_number(value: Fraction) -> str:
    if value.denominator == 1 or "/" not in (text := render_number(value)):
        return render_number(value)
    sign = "-" if value < 0 else ""
    numerator, denominator = text.removeprefix("-").split("/")
    return rf"{sign}\frac{{{numerator}}}{{{denominator}}}"


def _latex_wrap(expression: Expression, binding: int) -> str:
    text, own = _latex(expression)
    return rf"\left({text}\right)" if own < binding else text


def _latex_call(function: str, argument: Expression) -> tuple[str, int]:
    return rf"{function}\left({_latex(argument)[0]}\right)", ATOM


def _latex(expression: Expression) -> tuple[str, int]:
    match expression:
        case ex.Number(value):
            return _latex_number(value), UNARY if value < 0 else ATOM
        case ex.Index(name):
            return name, ATOM
        case ex.Symbol(name, indices):
            return f"{name}_{{{','.join(map(_index, indices))}}}" if indices else name, ATOM
        case ex.State(sequence, index):
            return f"{sequence}_{{{_index(index)}}}", ATOM
        case ex.Transform(name, index, branch, argument):
            upper = "" if branch == ex.ONE else f"^{{({_index(branch)})}}"
            return _latex_call(f"{name}_{{{_index(index)}}}{upper}", argument)
        case ex.Operation(name, argument):
            known = {"relu": r"\mathrm{ReLU}", "bn": r"\mathrm{BN}", "sigmoid": r"\sigma", "act": r"\phi"}
            return _latex_call(known.get(name, name if len(name) == 1 else rf"\mathrm{{{name}}}"), argument)
        case ex.Add(terms):
            text = _latex_wrap(terms[0], PRODUCT)
            for term in terms[1:]:
                negative = split_coefficient(term)[0] < 0
                text += f" - {_latex_wrap(negate(term), PRODUCT)}" if negative else f" + {_latex_wrap(term, PRODUCT)}"
            return text, SUM
        case ex.Multiply((ex.Number(value), *rest)) if value == -1:
            return "-" + " ".join(_latex_wrap(factor, UNARY) for factor in rest), PRODUCT
        case ex.Multiply(factors):
            joint = r" \odot " if sum(not ex.is_scalar(factor) for factor in factors) > 1 else r" \, "
            return joint.join(_latex_wrap(factor, UNARY) for factor in factors), PRODUCT
        case ex.Power(base, ex.Number(Fraction(numerator=1, denominator=2))):
            return rf"\sqrt{{{_latex(base)[0]}}}", ATOM
        case ex.Power(base, ex.Number(value)) if value < 0:
            return rf"\frac{{1}}{{{_latex(_inverse(base, value))[0]}}}", ATOM
        case ex.Power(base, exponent):
            return f"{_latex_wrap(base, ATOM)}^{{{_latex(exponent)[0]}}}", POWER
        case ex.Sum(body, variable, low, high, mean):
            sign = r"\operatorname{mean}" if mean else r"\sum"
            return rf"{sign}_{{{variable}={_index(low)}}}^{{{_index(high)}}} {_latex_wrap(body, PRODUCT)}", PRODUCT
        case ex.Concat(parts):
            return rf"\left[{', '.join(_latex(part)[0] for part in parts)}\right]", ATOM
        case ex.Slice(argument, start, stop):
            first, last = ("" if part is None else _index(part) for part in (start, stop))
            return rf"{_latex_wrap(argument, ATOM)}_{{[{first}:{last}]}}", ATOM
        case ex.Drop(argument, rate):
            return _latex_call(rf"\mathrm{{drop}}_{{{_latex(rate)[0]}}}", argument)
        case ex.Learn(start, _, _):
            return rf"\lambda_{{n}}^{{({_latex(start)[0]})}}", ATOM
        case _:
            assert_never(expression)
