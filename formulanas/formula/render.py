"""From a recursion back to text, which parses to the same recursion, and to LaTeX, as papers print it."""

import math
from fractions import Fraction
from typing import assert_never

from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import negate, split_coefficient
from formulanas.formula.expressions import Expression
from formulanas.formula.recursion import Recursion

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)  # how tightly a text binds
LATEX_OPERATIONS = {"relu": r"\mathrm{ReLU}", "bn": r"\mathrm{BN}", "ln": r"\mathrm{LN}", "tanh": r"\tanh"}
LATEX_OPERATIONS |= {"sigmoid": r"\sigma", "act": r"\phi", "identity": r"\mathrm{id}"}
GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "rho", "tau"}


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
            parts = argument.parts if isinstance(argument, ex.Concat) else (argument,)
            return f"{name}[{place}]({', '.join(map(render_expression, parts))})", ATOM
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
        case ex.Sum(body, variable, low, high, kind):
            bounds = f"({variable}, {_index(low)}, {_index(high)})"
            return f"{kind}({render_expression(body)}, {bounds})", ATOM
        case ex.Concat(parts):
            return f"concat({', '.join(map(render_expression, parts))})", ATOM
        case ex.Slice(argument, start, stop):
            first, last = ("" if part is None else _index(part) for part in (start, stop))
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
    lines = [rf"{_latex_name(name)}_{{n}} &= {_latex(value)[0]}" for name, value in recursion.equations.items()]
    if len(lines) == 1:
        return lines[0].replace("&", "")
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def latex_expression(expression: Expression) -> str:
    """LaTeX for one expression."""
    return _latex(expression)[0]


def _latex_name(name: str) -> str:
    if len(name) == 1:
        return name
    return rf"\{name}" if name in GREEK else r"\mathit{" + name.replace("_", r"\_") + "}"


def _latex_index(*indices: Expression) -> str:
    return "{" + ",".join(_latex(index)[0].replace(" ", "") for index in indices) + "}"


def _latex_enclosed(text: str, left: str = "(", right: str = ")") -> str:
    tall = any(sign in text for sign in (r"\frac", r"\sum", r"\left", r"\operatorname"))
    return rf"\left{left}{text}\right{right}" if tall else f"{left}{text}{right}"


def _latex_wrap(expression: Expression, binding: int) -> str:
    text, own = _latex(expression)
    return _latex_enclosed(text) if own < binding else text


def _latex_call(function: str, argument: Expression) -> tuple[str, int]:
    return function + _latex_enclosed(_latex(argument)[0]), ATOM


def _latex_coefficient(symbol: str, name: str | None, otherwise: str) -> str:
    """A coefficient that each block has for itself: by its name, `c1` as c with the indices 1 and n."""
    if name is None:
        return rf"{symbol}_{{n}}{otherwise}"
    letters = name.rstrip("0123456789")
    label = name[len(letters) :] if letters else ""
    return f"{_latex_name(letters or name)}_{{{label}{',' if label else ''}n}}"


def _latex_sum(terms: tuple[Expression, ...]) -> str:
    text = _latex_wrap(terms[0], PRODUCT)
    for term in terms[1:]:
        negative = split_coefficient(term)[0] < 0
        text += f" - {_latex_wrap(negate(term), PRODUCT)}" if negative else f" + {_latex_wrap(term, PRODUCT)}"
    return text


def _latex_product(factors: tuple[Expression, ...]) -> str:
    """A product: its sign, a decimal, what is divided as one fraction, and the states that they scale."""
    coefficient = math.prod((factor.value for factor in factors if isinstance(factor, ex.Number)), start=Fraction(1))
    above: list[Expression] = []
    below: list[Expression] = []
    states: list[Expression] = []
    value, decimal = abs(coefficient), ""
    if "." in render_number(value):
        value, decimal = Fraction(1), render_number(value)
    if value.denominator != 1:
        below.append(ex.number(value.denominator))
    for factor in factors:
        match factor:
            case ex.Number():
                pass
            case ex.Power(base, ex.Number(exponent)) if exponent < 0:
                below.append(_inverse(base, exponent))
            case _:
                (above if ex.is_scalar(factor) else states).append(factor)
    if value.numerator != 1 or not (above or states or decimal or below):
        above.insert(0, ex.number(value.numerator))
    parts = [decimal] if decimal else []
    if below:
        parts.append(rf"\frac{{{_latex_factors(above) or '1'}}}{{{_latex_factors(below)}}}")
    elif above:
        parts += [_latex_wrap(factor, UNARY) for factor in above]
    if states:
        parts.append(_latex_factors(states, r" \odot "))
    return ("-" if coefficient < 0 else "") + r" \, ".join(parts)


def _latex_factors(factors: list[Expression], joint: str = r" \, ") -> str:
    if len(factors) == 1 and (isinstance(factors[0], ex.Sum) or ex.is_scalar(factors[0])):
        return _latex(factors[0])[0]
    return joint.join(_latex_wrap(factor, UNARY) for factor in factors)


def _latex_total(total: ex.Sum) -> str:
    sign = r"\sum" if total.kind == "sum" else rf"\operatorname*{{{total.kind}}}"
    low, high = _latex_index(total.low)[1:], _latex_index(total.high)
    return f"{sign}_{{{_latex_name(total.variable)}={low}^{high} {_latex_wrap(total.body, PRODUCT)}"


def _latex(expression: Expression) -> tuple[str, int]:
    match expression:
        case ex.Number(value) if "/" in render_number(value):
            return _latex_product((expression,)), UNARY
        case ex.Number(value):
            return render_number(value), UNARY if value < 0 else ATOM
        case ex.Index(name):
            return _latex_name(name), ATOM
        case ex.Symbol(name, indices):
            return f"{_latex_name(name)}_{_latex_index(*indices)}" if indices else _latex_name(name), ATOM
        case ex.State(sequence, index):
            return f"{_latex_name(sequence)}_{_latex_index(index)}", ATOM
        case ex.Transform(name, index, branch, argument):
            upper = "" if branch == ex.ONE else f"^{{({_latex(branch)[0]})}}"
            return _latex_call(f"{_latex_name(name)}_{_latex_index(index)}{upper}", argument)
        case ex.Operation(name, argument):
            return _latex_call(LATEX_OPERATIONS.get(name, _latex_name(name)), argument)
        case ex.Add(terms):
            return _latex_sum(terms), SUM
        case ex.Multiply(factors):
            return _latex_product(factors), PRODUCT
        case ex.Power(base, ex.Number(Fraction(numerator=1, denominator=2))):
            return rf"\sqrt{{{_latex(base)[0]}}}", ATOM
        case ex.Power(_, ex.Number(value)) if value < 0:
            return _latex_product((expression,)), UNARY
        case ex.Power(base, exponent):
            return f"{_latex_wrap(base, ATOM)}^{{{_latex(exponent)[0]}}}", POWER
        case ex.Sum():
            return _latex_total(expression), PRODUCT
        case ex.Concat(parts):
            return _latex_enclosed(", ".join(_latex(part)[0] for part in parts), "[", "]"), ATOM
        case ex.Slice(argument, start, stop):
            first, last = ("" if part is None else _latex(part)[0] for part in (start, stop))
            return rf"{_latex_wrap(argument, ATOM)}[{first}{{:}}{last}]", ATOM
        case ex.Drop(argument, rate, _):
            return _latex_call(rf"\mathrm{{drop}}_{{{_latex(rate)[0]}}}", argument)
        case ex.Learn(start, _, _, name):
            return _latex_coefficient(r"\lambda", name, f"^{{({_latex(start)[0]})}}"), POWER
        case ex.Random(distribution, parameters, name):
            symbol = "U" if distribution == "uniform" else "B"
            return _latex_coefficient(symbol, name, f"({', '.join(_latex(each)[0] for each in parameters)})"), POWER
        case ex.Floor(argument):
            return rf"\left\lfloor {_latex(argument)[0]} \right\rfloor", ATOM
        case _:
            assert_never(expression)
