"""Paths and growth: counts from the papers, radii from the characteristic polynomials."""

from math import comb, log2, sqrt

import pytest

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import multiplicity, paths, paths_over
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula


def test_resnet_has_binomial_path_lengths() -> None:
    """Veit et al.: 2**L paths, C(L, k) through k blocks; exact for a thousand blocks."""
    counted = paths(bind_formula("resnet"), 1000)
    assert list(counted.lengths) == [comb(1000, k) for k in range(1001)]
    assert counted.total == 2**1000
    assert counted.gross == counted.lengths


@pytest.mark.parametrize("name", ["resnet-s", "anchored"])
def test_eq_20_and_its_twin_have_one_path_a_length(name: str) -> None:
    """Liao et al., eq. (12): 1 + F' + F'F' + ..., which eq. (21) shares as a linear system."""
    assert set(paths(bind_formula(name), 1000).lengths) == {1}


def test_gross_paths_of_resnet_s_for_two_blocks() -> None:
    """x2 = x1 + F2(x1) - F1(x0) with x1 = x0 + F1(x0): 1 + (1 + 1 - 1) z + z**2; five paths before two cancel."""
    counted = paths(bind_formula("resnet-s"), 2)
    assert counted.lengths == (1, 1, 1)
    assert counted.gross == (1, 3, 1)


def test_multi_residual_paths_by_blocks_passed() -> None:
    """Abdi and Nahavandi: (1 + k z)**L for k residual functions a block."""
    assert list(paths(bind_formula("multi-residual", {"k": 3}), 5).lengths) == [comb(5, i) * 3**i for i in range(6)]


def test_multiplicity_of_residual_functions() -> None:
    """Abdi and Nahavandi: 2**n for a ResNet of n blocks, 2**(k n) with k functions; shared weights count once."""
    assert multiplicity(bind_formula("resnet"), 3) == 2**3
    assert multiplicity(bind_formula("multi-residual", {"k": 4}), 3) == 2**12
    assert multiplicity(bind_formula("resnet-s"), 3) == multiplicity(bind_formula("poly-2"), 3) == 2**3


def test_paths_over_stages_follow_the_policy() -> None:
    """The accumulated network begins anew in each stage: two stages of one block are (1 + z)**2, two blocks are not."""
    assert paths_over(bind_formula("accumulated"), [1, 2]).lengths == (1, 2, 1)
    assert paths_over(bind_formula("accumulated"), [1, 1]).lengths == (2, 2, 1)


def test_weights_of_any_size_are_right_to_many_digits() -> None:
    """Too much to add up exactly: the sum of the weights is still that of the recurrence at z = 1, and the last one is 2**L."""
    counted = paths(bind("x[n] = x[n-1] + x[n-2] + x[n-3] + 2 * F[n](x[n-1]) + F[n-1](x[n-2]) + x[n-4]"), 2500)
    assert not counted.net.exact
    assert counted.lengths[-1] == 2**2500
    values = [1, 0, 0, 0]  # x[n], x[n-1], ... at z = 1, exactly
    for _ in range(2500):
        values = [3 * values[0] + 2 * values[1] + values[2] + values[3], *values[:3]]
    assert log2(counted.total) == pytest.approx(log2(values[0]), abs=1e-9)


def test_small_weights_of_many_blocks_are_exact() -> None:
    """One path a length over 3,000 blocks, however many cancel on the way."""
    counted = paths(bind_formula("resnet-s"), 3000)
    assert counted.net.exact
    assert set(counted.lengths) == {1}
    assert not counted.gross_weights.exact


def test_plain_has_one_path_and_poly_2_has_quadratic_blocks() -> None:
    """A plain network's only path passes every block; a poly-2 block is 1 + z + z**2."""
    assert paths(bind_formula("plain"), 4).lengths == (0, 0, 0, 0, 1)
    assert paths(bind_formula("poly-2"), 2).lengths == (1, 2, 3, 2, 1)


def test_accumulated_paths_by_hand() -> None:
    """S1 = 1, x1 = z + 1; S2 = S1 + x1 = 2 + z, x2 = z (1 + z) + 2 + z = 2 + 2z + z**2."""
    assert paths(bind_formula("accumulated"), 2).lengths == (2, 2, 1)


def test_fractions_become_floats_and_whole_numbers_stay_exact() -> None:
    """A coefficient of 1/2 has float weights; 2 has exact ones."""
    assert paths(bind("x[n] = 0.5 * x[n-1] + F[n](x[n-1])"), 2).lengths == (0.25, 1.0, 1)
    assert paths(bind("x[n] = 2 * x[n-1] + F[n](x[n-1])"), 100).lengths[0] == 2**100


def test_gates_have_no_path_counts() -> None:
    """Highway's paths depend on the input."""
    with pytest.raises(InputError, match="gate"):
        paths(bind_formula("highway"), 3)


@pytest.mark.parametrize(
    ("text", "radius"),
    [
        ("x[n] = x[n-1] + x[n-2] + F[n](x[n-1])", (1 + sqrt(5)) / 2),  # r**2 = r + 1
        ("x[n] = x[n-1] + F[n](x[n-1])", 1),
        ("x[n] = relu(x[n-1] + F[n](x[n-1])) - F[n-1](x[n-2])", 1),
        ("x[n] = F[n](x[n-1])", 0),
        ("x[n] = x[0] + F[n](x[n-1])", 0),
        ("x[n] = 3 * x[n-1] - 2 * x[n-2] + F[n](x[n-1])", 2),  # (r - 1) (r - 2)
        ("s[n] = x[n-1] + F[n](x[n-1]); x[n] = s[n] - s[n-1]", 1),  # roots on the unit circle, period 6
        ("x[n] = F[n](x[n-1]) + sum(x[n-i], (i, 1, n))", 2),  # x[n] = 2 x[n-1]
        ("x[n] = F[n](x[n-1]) + sum(bn(x[n-i]), (i, 1, n))", 1),  # norms add, they do not multiply
        ("v[n] = 0.9 * v[n-1] + 0.1 * F[n](x[n-1]); x[n] = x[n-1] + v[n]", 1),
        ("x[n] = mean(x[n-i], (i, 1, n)) + F[n](x[n-1])", 1),  # an average does not grow
    ],
)
def test_growth_is_the_spectral_radius(text: str, radius: float) -> None:
    """The largest root of the characteristic polynomial, worked out by hand."""
    assert growth(bind(text)) == pytest.approx(radius, abs=1e-6)


def test_the_growth_of_gates_is_unknown() -> None:
    """Highway's state scales with its gate, which depends on the input."""
    assert growth(bind_formula("highway")) is None
