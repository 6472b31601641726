"""From a recursion to LaTeX, as papers print it."""

import math
from fractions import Fraction
from typing import assert_never

from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import negate, split_coefficient
from formulanas.formula.expressions import Expression
from formulanas.formula.recursion import Recursion
from formulanas.formula.render import ATOM, POWER, PRODUCT, SUM, UNARY, inverse, render_number

LATEX_OPERATIONS = {"relu": r"\mathrm{ReLU}", "bn": r"\mathrm{BN}", "ln": r"\mathrm{LN}", "tanh": r"\tanh"}
LATEX_OPERATIONS |= {"sigmoid": r"\sigma", "act": r"\phi", "identity": r"\mathrm{id}"}
GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "rho", "tau"}


def render_latex(recursion: Recursion) -> str:
    """LaTeX for the equations of `recursion` as papers print them: lower indices, `n` as the block."""
    lines = [rf"{_name(name)}_{{n}} &= {_latex(value)[0]}" for name, value in recursion.equations.items()]
    if len(lines) == 1:
        return lines[0].replace("&", "")
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def latex_expression(expression: Expression) -> str:
    """LaTeX for one expression."""
    return _latex(expression)[0]


def _name(name: str) -> str:
    if len(name) == 1:
        return name
    return rf"\{name}" if name in GREEK else r"\mathit{" + name.replace("_", r"\_") + "}"


def _index(*indices: Expression) -> str:
    return "{" + ",".join(_latex(index)[0].replace(" ", "") for index in indices) + "}"


def _enclosed(text: str, left: str = "(", right: str = ")") -> str:
    tall = any(sign in text for sign in (r"\frac", r"\sum", r"\left", r"\operatorname"))
    return rf"\left{left}{text}\right{right}" if tall else f"{left}{text}{right}"


def _wrap(expression: Expression, binding: int) -> str:
    text, own = _latex(expression)
    return _enclosed(text) if own < binding else text


def _call(function: str, argument: Expression) -> tuple[str, int]:
    return function + _enclosed(_latex(argument)[0]), ATOM


def _coefficient(symbol: str, name: str | None, otherwise: str) -> str:
    """A coefficient that each block has for itself: by its name, `c1` as c with the indices 1 and n."""
    if name is None:
        return rf"{symbol}_{{n}}{otherwise}"
    letters = name.rstrip("0123456789")
    label = name[len(letters) :] if letters else ""
    return f"{_name(letters or name)}_{{{label}{',' if label else ''}n}}"


def _sum(terms: tuple[Expression, ...]) -> str:
    text = _wrap(terms[0], PRODUCT)
    for term in terms[1:]:
        negative = split_coefficient(term)[0] < 0
        text += f" - {_wrap(negate(term), PRODUCT)}" if negative else f" + {_wrap(term, PRODUCT)}"
    return text


def _product(factors: tuple[Expression, ...]) -> str:
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
                below.append(inverse(base, exponent))
            case _:
                (above if ex.is_scalar(factor) else states).append(factor)
    if value.numerator != 1 or not (above or states or decimal or below):
        above.insert(0, ex.number(value.numerator))
    parts = [decimal] if decimal else []
    if below:
        parts.append(rf"\frac{{{_factors(above) or '1'}}}{{{_factors(below)}}}")
    elif above:
        parts += [_wrap(factor, UNARY) for factor in above]
    if states:
        parts.append(_factors(states, r" \odot "))
    return ("-" if coefficient < 0 else "") + r" \, ".join(parts)


def _factors(factors: list[Expression], joint: str = r" \, ") -> str:
    if len(factors) == 1 and (isinstance(factors[0], ex.Sum) or ex.is_scalar(factors[0])):
        return _latex(factors[0])[0]
    return joint.join(_wrap(factor, UNARY) for factor in factors)


def _total(total: ex.Sum) -> str:
    sign = r"\sum" if total.kind == "sum" else rf"\operatorname*{{{total.kind}}}"
    low, high = _index(total.low)[1:], _index(total.high)
    return f"{sign}_{{{_name(total.variable)}={low}^{high} {_wrap(total.body, PRODUCT)}"


def _latex(expression: Expression) -> tuple[str, int]:
    match expression:
        case ex.Number(value) if "/" in render_number(value):
            return _product((expression,)), UNARY
        case ex.Number(value):
            return render_number(value), UNARY if value < 0 else ATOM
        case ex.Index(name):
            return _name(name), ATOM
        case ex.Symbol(name, indices):
            return f"{_name(name)}_{_index(*indices)}" if indices else _name(name), ATOM
        case ex.State(sequence, index):
            return f"{_name(sequence)}_{_index(index)}", ATOM
        case ex.Transform(name, index, branch, argument):
            upper = "" if branch == ex.ONE else f"^{{({_latex(branch)[0]})}}"
            return _call(f"{_name(name)}_{_index(index)}{upper}", argument)
        case ex.Operation(name, argument):
            return _call(LATEX_OPERATIONS.get(name, _name(name)), argument)
        case ex.Add(terms):
            return _sum(terms), SUM
        case ex.Multiply(factors):
            return _product(factors), PRODUCT
        case ex.Power(base, ex.Number(Fraction(numerator=1, denominator=2))):
            return rf"\sqrt{{{_latex(base)[0]}}}", ATOM
        case ex.Power(_, ex.Number(value)) if value < 0:
            return _product((expression,)), UNARY
        case ex.Power(base, exponent):
            return f"{_wrap(base, ATOM)}^{{{_latex(exponent)[0]}}}", POWER
        case ex.Sum():
            return _total(expression), PRODUCT
        case ex.Concat(parts):
            return _enclosed(", ".join(_latex(part)[0] for part in parts), "[", "]"), ATOM
        case ex.Slice(argument, start, stop):
            first, last = ("" if part is None else _latex(part)[0] for part in (start, stop))
            return rf"{_wrap(argument, ATOM)}[{first}{{:}}{last}]", ATOM
        case ex.Drop(argument, rate, _):
            return _call(rf"\mathrm{{drop}}_{{{_latex(rate)[0]}}}", argument)
        case ex.Learn(start, _, _, name):
            return _coefficient(r"\lambda", name, f"^{{({_latex(start)[0]})}}"), POWER
        case ex.Random(distribution, parameters, name):
            symbol = "U" if distribution == "uniform" else "B"
            return _coefficient(symbol, name, f"({', '.join(_latex(each)[0] for each in parameters)})"), POWER
        case ex.Floor(argument):
            return rf"\left\lfloor {_latex(argument)[0]} \right\rfloor", ATOM
        case _:
            assert_never(expression)
