"""Bound recursions: one canonical text and key per computation, and clear words for what has no meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import linear_formulas

from formulanas.errors import InputError
from formulanas.formula.bind import bind, unbound
from formulanas.formula.parse import parse
from formulanas.formula.published import atlas, bind_formula, published, published_names

RESNET_S = "x[n] = relu(x[n-1] + F[n](x[n-1])) - F[n-1](x[n-2])"


@pytest.mark.parametrize(
    "texts",
    [
        (RESNET_S, "x[n] = -F[n-1](x[n-2]) + relu(F[n](x[n-1]) + x[n-1])"),
        (RESNET_S, "f[n] = F[n](x[n-1]); x[n] = relu(x[n-1] + f[n]) - f[n-1]"),
        ("x[n] = relu(x[n-1] + F[n](x[n-1]))", "x[n] = relu(relu(x[n-1] + F[n](x[n-1])))"),
        (RESNET_S, "x[n] = relu(x[n-1] + G[n](x[n-1])) - G[n-1](x[n-2])"),
        (RESNET_S, "x[n] = relu(x[n-1] + F[n](x[n-1]) + 0 * x[n-3]) - 1/2 * F[n-1](x[n-2]) - 0.5 * F[n-1](x[n-2])"),
        (RESNET_S, RESNET_S + "; start = zero; shape = project"),
        ("x[n] = x[n-1] + F[n](x[n-1])", "x[n] = sum(x[n-i], (i, 1, 1)) + mean(F[n, j](x[n-1]), (j, 1, 1))"),
        ("x[n] = x[n-1] + F[n](x[n-1])", "x[n] = identity(x[n-1]) + F[n, 7](x[n-1]); shape = reset; start = copy"),
        ("x[n] = x[n-1] + F[n](x[n-1]) + G[n](x[n-1])", "x[n] = sum(F[n, j](x[n-1]), (j, 1, 2)) + x[n-1]"),
        ("x[n] = 2 * (x[n-1] + F[n](x[n-1]))", "x[n] = 2 * x[n-1] + F[n](x[n-1]) + F[n](x[n-1])"),
        ("x[n] = sum(bn(x[n-i]), (i, 1, n))", "x[n] = sum(bn(x[k]), (k, 0, n-1))"),
        ("x[n] = sum(bn(x[n-i]), (i, 1, n))", "x[n] = sum(bn(x[n-1-i]), (i, 0, n-1))"),
        ("x[n] = mean(x[n-i], (i, 1, n))", "x[n] = 1/n * sum(x[n-i], (i, 1, n))"),
        (
            "v[n] = 0.9 * v[n-1] + F[n](x[n-1]); x[n] = x[n-1] + v[n]",
            "x[n] = x[n-1] + w[n]; w[n] = 0.9 * w[n-1] + F[n](x[n-1]); unused[n] = x[n-1]",
        ),
        ("x[n] = x[n-1] + F[n](x[n-1] + x[n-2])", "u[n] = x[n-2] + x[n-1]; x[n] = F[n](u[n]) + x[n-1]"),
    ],
)
def test_the_same_computation_has_one_key(texts: tuple[str, str]) -> None:
    """Order, names, labels, expanded sums, zero terms and declarations that say nothing do not matter."""
    first, second = map(bind, texts)
    assert first.text == second.text
    assert first.key == second.key


@pytest.mark.parametrize(
    "texts",
    [
        (RESNET_S, "x[n] = relu(x[0] + F[n](x[n-1]))"),  # equal as linear systems, trained differently
        (RESNET_S, RESNET_S + "; shape = reset"),
        (RESNET_S, RESNET_S + "; start = copy"),
        (RESNET_S, "s[n] = x[n-1] + F[n](x[n-1]); x[n] = relu(s[n]) - s[n-1]"),
        ("x[n] = x[n-1] + F[n](x[n-1])", "x[n] = x[n-1] + F[n](x[n-1]); shape = pad"),
        ("x[n] = x[n-1] + F[n](x[n-1])", "x[n] = relu(x[n-1] + F[n](x[n-1]))"),
        ("x[n] = x[n-1] + F[n](x[n-1])", "x[n] = x[n-1] + F[n](x[n-1]); F = preactivation"),
        ("x[n] = F[n](x[n-1]) + G[n](F[n](x[n-1]))", "x[n] = F[n](x[n-1]) + F[n](F[n](x[n-1]))"),
    ],
)
def test_different_computations_have_different_keys(texts: tuple[str, str]) -> None:
    """Canonical does not mean equal as functions."""
    first, second = map(bind, texts)
    assert first.key != second.key


@given(linear_formulas())
def test_the_canonical_text_binds_to_itself(text: str) -> None:
    """Canonical form is a fixed point, so that a text taken from a leaderboard is the same architecture."""
    try:
        bound = bind(text)
    except InputError:
        return  # all terms cancelled
    assert bind(bound.text).text == bound.text


@given(st.permutations(["x[n-1]", "0.5 * x[n-2]", "F[n, 1](x[n-1])", "-F[n-1, 2](x[n-2])", "x[0]", "F[n, 2](x[n-1])"]))
def test_the_order_of_terms_does_not_matter(terms: list[str]) -> None:
    """A sum has one canonical text in whatever order it is written."""
    assert bind(f"x[n] = {' + '.join(terms)}").key == bind(f"x[n] = {' + '.join(sorted(terms))}").key


def test_published_formulas_are_all_different() -> None:
    """No two entries of the table are the same computation."""
    assert len(published_names()) == sum(bool(entry.formula) for entry in atlas().values())


def test_symbols_are_asked_for_in_an_order_in_which_each_can_be_chosen() -> None:
    """The bound of a sum comes before the coefficients that it makes."""
    recursion = parse("x[n] = h(sum(a[i] * x[n-i], (i, 1, p))) + F[n](x[n-1]); shape = s")
    assert unbound(recursion, {}) == ("h", "p", "s")
    assert unbound(recursion, {"h": "relu", "p": 2, "s": "pad"}) == ("a[1]", "a[2]")
    assert unbound(recursion, {"h": "relu", "p": 0, "s": "pad"}) == ()


def test_a_symbol_takes_numbers_fractions_and_expressions() -> None:
    """A coefficient is bound to 1/3, 0.5 or n/N, a history depth to n."""
    text = "x[n] = c * sum(x[n-i], (i, 1, p)) + F[n](x[n-1])"
    assert bind(text, {"c": "1/3", "p": 1}).text == "x[n] = 1/3 * x[n-1] + F[n](x[n-1])"
    assert bind(text, {"c": 0.5, "p": 1}).text == "x[n] = 0.5 * x[n-1] + F[n](x[n-1])"
    assert bind(text, {"c": "n/N", "p": 1}).text == "x[n] = F[n](x[n-1]) + n / N * x[n-1]"
    assert bind(text, {"c": 1, "p": "n"}).text == "x[n] = F[n](x[n-1]) + sum(x[n-i], (i, 1, n))"


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("x[n] = F[n](x[n-1])", 1),
        (RESNET_S, 2),
        ("x[n] = x[n-5] + F[n](x[n-1])", 5),
        (published("accumulated").formula, "n"),
    ],
)
def test_history_depth_is_how_many_states_back_the_text_reads(text: str, depth: int | str) -> None:
    """ResNet-s reads x[n-2], through the residual function that it caches."""
    assert bind(text).history_depth == depth


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("x[n] = c * x[n-1]", {}, "c need"),
        ("x[n] = rleu(x[n-1])", {}, "did you mean 'relu'"),
        ("x[n] = h(x[n-1])", {"h": "softplus"}, "no function 'softplus'"),
        ("x[n] = c * x[n-1]", {"c": 1, "d": 2}, "no symbol 'd'"),
        ("x[n] = c * x[n-1] + F[n](x[n-1])", {"c": "x[n-1]"}, "no sequence"),
        ("x[n] = x[n] + F[n](x[n-1])", {}, "about to define"),
        ("x[n] = x[n-d] + F[n](x[n-1])", {"d": -1}, "later block"),
        ("x[n] = v[n]; v[n] = relu(x[n]) + v[n-1]", {}, "read each other"),
        ("x[n] = 0 * x[n-1]", {}, "reads no state"),
        ("x[n] = relu(2) + x[n-1]", {}, "takes a state"),
        ("x[n] = x[3] + F[n](x[n-1])", {}, "x[0]"),
        ("x[n] = x[n-1]; shape = crop", {"crop": "crop"}, "no policy 'crop'"),
        ("x[n] = sum(x[n-i], (i, 1, 1/2))", {}, "whole numbers"),
        ("x[n] = sum(x[n-i], (i, 1, 10**6))", {}, "at most"),
        ("x[n] = sum(a[i] * x[n-i], (i, 1, n))", {}, "no fixed set of values"),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(text: str, values: dict[str, str | int], words: str) -> None:
    """Every refusal names the part of the formula and the law."""
    with pytest.raises(InputError) as caught:
        bind(text, values)
    assert words in str(caught.value)


def test_published_formulas_bind_by_name() -> None:
    """A name is as good as its text, and its open symbols can be bound anew."""
    assert bind_formula("resnet-s").text == RESNET_S
    assert bind_formula("multi-residual", {"k": 3}).text.count("F[n") == 3
    with pytest.raises(InputError, match="did you mean 'resnet'"):
        bind_formula("resnt")


def test_the_kind_of_a_transform_can_be_a_symbol() -> None:
    """`F = t` names a kind, and a symbol where a value for it is given."""
    text = "x[n] = relu(x[n-1] + F[n](x[n-1])); F = t"
    assert bind(text, {"t": "res2net"}).kind("F") == "res2net"
    assert bind(text).kind("F") == "t"
    assert unbound(parse(text).with_free_kinds(["t", "u"]), {}) == ("t",)
