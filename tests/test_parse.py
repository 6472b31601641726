"""The text of a formula: what parses, what is refused and where, and that text and LaTeX come back."""

from fractions import Fraction

import pytest
from hypothesis import given
from strategies import states

from formulanas.errors import FormulaError
from formulanas.formula import expressions as ex
from formulanas.formula.latex import render_latex
from formulanas.formula.parse import parse, parse_expression
from formulanas.formula.published import atlas, published
from formulanas.formula.recursion import Recursion
from formulanas.formula.render import render

LITERAL_FORMS = [  # the table of the language: architectures as their papers print them
    *(entry.formula for entry in atlas().values() if entry.formula),
    "r[n] = r[n-1] + F[n](concat(r[n-1], d[n-1]))[:c]; d[n] = concat(d[n-1], F[n](concat(r[n-1], d[n-1]))[c:]); x[n] = concat(r[n], d[n])",
    "x[n] = concat(x[n-1], F[n](x[n-1]))",
    "x[n] = (1 - c) * x[n-1] + c * x[n-2] + F[n](x[n-1])",
    "u[n] = u[n-1] + F[n](v[n-1]); v[n] = v[n-1] + G[n](u[n]); x[n] = concat(u[n], v[n])",
    'x[n] = x[n-1] + learn(0, per="channel") * F[n](x[n-1])',
    'x[n] = sum(learn(1.0, constraint="softmax") * x[n-i], (i, 1, n)) + F[n](x[n-1])',
    "x[n] = x[n-1] + drop(F[n](x[n-1]), 0.5 * n / N)",
    "x[n] = mean(x[n-i], (i, 1, p)) + h(F[n](x[n-1])) + 1/sqrt(N) * G[n](x[n-1])",
    "x[n] = x[n-1] + F[n](x[n-1])\nshape = reset\nstart = copy\nF = preactivation",
    "v[n] = v[n-1] + F[n](x[n-1]); x[n] = x[n-1] + v[n]; shape[v] = pad; start[v] = copy",
]


@pytest.mark.parametrize("text", LITERAL_FORMS)
def test_every_form_of_the_language_parses_and_its_text_comes_back(text: str) -> None:
    """parse(render(f)) == f for every architecture of the language's own table."""
    recursion = parse(text)
    assert parse(render(recursion)) == recursion


@given(states())
def test_rendered_text_parses_to_the_same_expression(expression: ex.Expression) -> None:
    """parse(render(f)) == f for random formulas over the whole language."""
    recursion = Recursion({"v": ex.State("v", ex.BLOCK), "x": expression})
    assert parse(render(recursion)) == recursion


@given(states())
def test_latex_has_balanced_braces(expression: ex.Expression) -> None:
    """Every formula has LaTeX whose braces and \\left \\right pair up."""
    latex = render_latex(Recursion({"x": expression}))
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")


def test_latex_of_resnet_s_is_as_its_paper_prints_it() -> None:
    r"""Eq. (20): x_n = ReLU(x_{n-1} + F_n(x_{n-1})) - F_{n-1}(x_{n-2})."""
    latex = render_latex(parse(published("resnet-s").formula)).replace(r"\left", "").replace(r"\right", "")
    assert latex == r"x_{n} = \mathrm{ReLU}(x_{n-1} + F_{n}(x_{n-1})) - F_{n-1}(x_{n-2})"


def test_decimals_are_exact() -> None:
    """0.1 is one tenth, not the float nearest to it."""
    assert parse_expression("0.1") == ex.Number(Fraction(1, 10))


@pytest.mark.parametrize(
    ("text", "words", "column"),
    [
        ("x[n] = relu(y[n-1] + F[n](x[n-1]))", "no sequence 'y'", 12),
        ("x[n] = x[n-1] + F(x[n-1])", "F[n](u)", 16),
        ("x[n] = x(n-1)", "write x[n-1]", 7),
        ("x[n] = x[n-1] +", "invalid syntax", 15),
        ("x[n] = __import__('os')", "not part of the formula language", 18),
        ("x[n] = x[n-1].real", "not part of the formula language", 7),
        ("x[n] = (lambda: x[n-1])()", "not part of the formula language", 7),
        ("x[n] = x[n-1] if 1 else x[n-2]", "not part of the formula language", 7),
        ("x[n+1] = x[n]", "name[n] = expression", 0),
        ("x[n] = 1e999 * x[n-1]", "a number lies between", 7),
        ("x[n] = 1 / x[n-1]", "only a number can be a divisor", 11),
        ("x[n] = x[n-1] / 0", "divides by zero", 16),
        ("x[n] = x", "say which of its values", 7),
        ("x[n] = relu", "cannot stand alone", 7),
        ("x[n] = sum(x[n-1])", "write sum(expression, (i, 1, p))", 7),
        ("x[n] = True * x[n-1]", "not part of the formula language", 7),
    ],
)
def test_a_mistake_is_shown_with_a_caret_under_it(text: str, words: str, column: int) -> None:
    """The message says the law, and points at the place in the text."""
    with pytest.raises(FormulaError) as caught:
        parse(text)
    message, shown, caret = str(caught.value).split("\n")
    assert words in message
    assert shown == f"  {text}"
    assert caret.index("^") - 2 == column


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("y[n] = y[n-1]", "x[n] = ..."),
        ("x[n] = a·x[n-1]", "plain ASCII"),
        ("x[n] = x[n-1]\x00", "plain ASCII"),
        ("x[n] = " + "-" * 3000 + "x[n-1]", "nested too deeply"),
        ("x[n] = " + "x[n-1] + " * 600 + "x[n-1]", "at most"),
        ("x[n] = " + "9" * 3900 + " * x[n-1]", "a number lies between"),
        ("x[n] = x[n-1]; x[n] = x[n-2]", "defined twice"),
        ("x[n] = x[n-1]; shape[v] = reset", "no sequence 'v'"),
        ("n[n] = n[n-1]", "lower-case name"),
        ('x[n] = learn(1, per="pixel") * x[n-1]', "per="),
    ],
)
def test_hostile_and_incomplete_texts_are_refused(text: str, words: str) -> None:
    """No text ends in anything but a formula error."""
    with pytest.raises(FormulaError, match=None) as caught:
        parse(text)
    assert words in str(caught.value)
