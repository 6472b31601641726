"""Any text and any values: an InputError or an answer, in bounded time and memory."""

import contextlib
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import paths
from formulanas.analysis.words import expansion
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.variance import variance
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.bound import BoundRecursion

RESNET = "x[n] = x[n-1] + "
SMALL = Backbone((4, 8), (2, 2))


def plan(bound: BoundRecursion) -> str:
    """The source of a small network."""
    return Architecture(bound, SMALL, (3, 8, 8), 10).plan.source()


def first_variance(bound: BoundRecursion) -> float:
    """The variance after the first block."""
    return variance(Architecture(bound, SMALL, (3, 8, 8), 10), num_draws=64).blocks[0]


READERS: tuple[Callable[[BoundRecursion], Any], ...] = (
    growth,
    lambda bound: paths(bound, 8),
    lambda bound: expansion(bound, 3),
    plan,
    first_variance,
)


@pytest.mark.parametrize(
    "text",
    [
        RESNET + "sum(sum(F[n](x[n-1]), (i, 1, 1000)), (j, 1, 1000))",
        RESNET + "sum(sum(sum(i * j * k * F[n](x[n-1]), (i, 1, 999)), (j, 1, 999)), (k, 1, 999))",
        RESNET + "sum(F[n, i](x[n-1]), (i, 1, 1000))",
        RESNET + "x[n-1000000]",
        RESNET + "x[n-10000000000000000000000]",
        "x[n] = x[n-100000] + F[n-100000](x[n-100001])",
        RESNET + "1e9 * 1e9 * 1e9 * 1e9 * 1e9 * F[n](x[n-1])",
    ],
)
def test_a_formula_that_is_too_large_is_refused_when_it_is_bound(text: str) -> None:
    """Sums within sums, sums that no text holds, and lags beyond a thousand blocks."""
    with pytest.raises(InputError, match="at most"):
        bind(text)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), True, None, [1], {"a": 1}, b"1", 1j, "x[n-1]", "9" * 5000]
)
def test_a_value_that_is_no_number_is_refused(value: Any) -> None:
    """Only finite numbers, and texts of them, are values of a symbol."""
    with pytest.raises(InputError):
        bind(RESNET + "a * F[n](x[n-1])", {"a": value})


@pytest.mark.parametrize(
    "text",
    [
        RESNET + "2**2**100 * F[n](x[n-1])",
        RESNET + "(2**64)**64**64 * F[n](x[n-1])",
        RESNET + "n**n**n * F[n](x[n-1])",
        RESNET + "n**1000000 * F[n](x[n-1])",
        RESNET + "2**n**9 * F[n](x[n-1])",
        RESNET + "N**N**N * F[n](x[n-1])",
        RESNET + "sqrt(-n) * F[n](x[n-1])",
        RESNET + "drop(F[n](x[n-1]), 2**n**n)",
        RESNET + "sum(x[n-i], (i, 1, n**9))",
        RESNET + "sum(F[n, i](x[n-1]), (i, 1, n**9))",
    ],
)
def test_numbers_and_sums_beyond_all_bounds_are_refused(text: str) -> None:
    """Growth over 64 blocks is not known, paths over 8 are refused, and over fewer all readers answer or refuse."""
    bound = bind(text)
    assert growth(bound) is None
    with pytest.raises(InputError):
        paths(bound, 8)
    for reader in READERS[2:]:
        with contextlib.suppress(InputError):
            reader(bound)


@pytest.mark.parametrize(
    "text",
    [
        RESNET + "learn(1000, constraint='softmax') * F[n](x[n-1])".replace("'", '"'),
        "x[n] = " + "F[n](" * 60 + "x[n-1]" + ")" * 60,
        RESNET + "(1/3)**n * F[n](x[n-1])",
        "x[n] = mean(x[n-i], (i, 1, 0)) + F[n](x[n-1])",
    ],
)
def test_unusual_formulas_are_read(text: str) -> None:
    """Large logits, deep nesting, small powers and means of nothing have a meaning for every reader."""
    started = time.process_time()
    bound = bind(text)
    for reader in READERS[1:]:
        reader(bound)
    assert time.process_time() - started < 60  # sixty nested functions took 2**60 steps


@pytest.mark.parametrize("value", [0.37454011884736254, 1e-12, 123456.789012345, Fraction(1, 3**20), Fraction(10**39)])
def test_what_is_bound_can_be_read_again(value: float | Fraction) -> None:
    """A value with as many digits as a float has stands in the text as a number that the text may have."""
    bound = bind(RESNET + "a * F[n](x[n-1])", {"a": value})
    assert bind(bound.text).key == bound.key


def test_a_number_of_four_hundred_digits_is_refused() -> None:
    """No text could hold it."""
    with pytest.raises(InputError, match="40 digits"):
        bind(RESNET + "a * F[n](x[n-1])", {"a": Fraction(10**400)})
