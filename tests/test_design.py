"""Design backwards: the recursions of the papers from their path counts, and the laws of what is found."""

import json
from fractions import Fraction

import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from formulanas.analysis.design import design
from formulanas.analysis.path_counts import read_path_counts
from formulanas.analysis.paths import paths
from formulanas.cli.main import main
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula

RESNET_S = "x[n] = x[n-1] + F[n](x[n-1]) - F[n-1](x[n-2])"


def found(path_counts: str) -> str:
    """The text of the recursion with these path counts, which must be verified."""
    result = design(path_counts)
    assert result.recursion is not None, result.reason
    assert result.exact
    return result.recursion.text


@pytest.mark.parametrize(
    ("path_counts", "text"),
    [
        ("sum(z^i, i, 0, L)", RESNET_S),  # Liao et al., eqs. (12) and (20): one path a length
        ("sum(z**i, (i, 0, L))", RESNET_S),
        ("(1+z)^L", "x[n] = x[n-1] + F[n](x[n-1])"),  # Veit et al.: binomials
        ("sum(binomial(L, i) * z^i, i, 0, L)", "x[n] = x[n-1] + F[n](x[n-1])"),
        ("(1+2*z)^L", "x[n] = x[n-1] + F[n](x[n-1]) + F[n, 2](x[n-1])"),  # Abdi and Nahavandi: k functions
        ("(1+3*z)^L", "x[n] = x[n-1] + F[n](x[n-1]) + F[n, 2](x[n-1]) + F[n, 3](x[n-1])"),
        ("(1 + z/2)^L", "x[n] = x[n-1] + 0.5 * F[n](x[n-1])"),
        ("(1 - z)^L", "x[n] = x[n-1] - F[n](x[n-1])"),
        ("z^L", "x[n] = F[n](x[n-1])"),  # a plain network
        ("1", "x[n] = x[n-1]"),
    ],
)
def test_the_recursions_of_the_papers(path_counts: str, text: str) -> None:
    """The path polynomial of each published wiring gives back its formula, without the activation."""
    assert found(path_counts) == text


def test_one_path_through_each_block_alone_needs_the_anchor() -> None:
    """P1 = 1 + z needs F[1](x[0]) once, so that z P1 of F[2](x[1]) would give z**2: only F[n](x[0]) has 1 + L z."""
    assert found("1 + L*z") == "x[n] = x[n-1] + F[n](x[0])"


def test_the_anchor_comes_only_after_every_depth_without_it() -> None:
    """Squares have the second difference 2, which is constant: 2 * 1 + 2 = 4, 2 * 4 + 2 - 1 = 9; eq. (21) comes never."""
    assert found("(L+1)^2") == "x[n] = 2 * x[n-1] + 2 * x[0] - x[n-2]"
    assert design("sum(z^i, i, 0, L)", 1).recursion.text == "x[n] = x[0] + F[n](x[n-1])"  # type: ignore[union-attr]


def test_each_of_several_residual_functions_takes_back_its_own() -> None:
    """P = 1 + 2z P' telescopes to P' + 2z P' - 2z P'': two functions, each subtracted where eq. (20) subtracts one."""
    assert found("sum((2*z)^i, i, 0, L)") == (
        "x[n] = x[n-1] + F[n](x[n-1]) + F[n, 2](x[n-1]) - F[n-1](x[n-2]) - F[n-1, 2](x[n-2])"
    )


def test_a_state_may_be_zero_at_some_blocks() -> None:
    """Only even numbers of blocks have a path: x[n] = x[n-2]."""
    assert found("1; 0; 1; 0; 1; 0; 1") == "x[n] = x[n-2]"
    assert design("1; 0; 0; 0").recursion is None


@pytest.mark.parametrize(
    ("path_counts", "blocks"),
    [
        ("sum(z^(i^2), i, 0, L)", 2),  # no block lengthens a path by 3: z**4 after z
        ("factorial(L)", 6),  # five unknown constants, x[n-1] to x[n-4] and x[0], contradicted by the sixth block
        ("(1+z)^(2*L)", 1),
    ],
)
def test_that_there_is_no_recursion_is_said(path_counts: str, blocks: int) -> None:
    """Growth that no terms up to depth 4 have, with the number of blocks that rules it out."""
    result = design(path_counts)
    assert result.recursion is None
    assert not result.exact
    assert result.num_blocks == blocks
    assert "up to history depth 4" in result.statement


@pytest.mark.parametrize("path_counts", ["1 + z", "2^L + 1", "L", "z; 1,1; 1,1", "0; 1; 1"])
def test_over_no_block_there_is_one_path(path_counts: str) -> None:
    """P_0 = 1, since x[0] is the stem's output; a table holds numbers only."""
    if "z;" in path_counts:
        with pytest.raises(InputError, match="row of L = 0"):
            design(path_counts)
    else:
        assert "over 0 blocks" in (design(path_counts).reason or "")


def test_a_table_is_exact_only_with_a_row_left_to_verify() -> None:
    """Eq. (20) has its coefficients by two blocks; the row of three blocks verifies them, and the last may deny them."""
    assert found("1; 1,1; 1,1,1; 1,1,1,1") == RESNET_S
    unverified = design("1; 1,1; 1,1,1")
    assert unverified.recursion is not None
    assert (unverified.recursion.text, unverified.exact) == (RESNET_S, False)
    assert design("1; 1,1; 1,1,1; 1,1,1,1; 1,1,1,1,2").recursion is None


def test_of_several_solutions_the_one_with_the_fewest_terms_is_taken() -> None:
    """Two rows leave one coefficient free: 4 x[0] + x[0] + F2(x[0]), or x[1] + 4 x[0] - F1(x[0]) + F2(x[0])."""
    result = design("1; 1,1; 5,1")
    assert result.recursion is not None
    assert result.recursion.text == "x[n] = 4 * x[n-2] + x[0] + F[n](x[0])"


COEFFICIENTS = st.sampled_from([Fraction(each) for each in ("-2", "-1", "-1/2", "0", "1/3", "1", "2")])


@settings(max_examples=60)
@given(st.lists(st.tuples(COEFFICIENTS, COEFFICIENTS), min_size=1, max_size=3))
def test_the_path_counts_of_a_recursion_give_it_back_or_a_smaller_one(terms: list[tuple[Fraction, Fraction]]) -> None:
    """P_n = sum of (a_i + c_i z) P_{n-i}, by lists of fractions; what is found from 11 rows is right at 12 blocks."""
    rows = [[Fraction(1)]]
    for n in range(1, 13):
        row = [Fraction(0)] * (n + 1)
        for back, (plain, passing) in enumerate(terms, 1):
            for length, weight in enumerate(rows[n - back] if back <= n else []):
                row[length] += plain * weight
                row[length + 1] += passing * weight
        rows.append(row)
    assume(all(any(row) for row in rows))
    result = design(";".join(",".join(map(str, row)) for row in rows[:12]))
    assert result.recursion is not None
    assert result.exact
    assert isinstance(result.recursion.history_depth, int)
    assert result.recursion.history_depth <= len(terms)
    lengths = paths(result.recursion, 12).lengths
    assert [*lengths, *[0] * (13 - len(lengths))] == pytest.approx([float(weight) for weight in rows[12]])


def test_the_expression_has_python_s_precedence_and_exact_numbers() -> None:
    """2 * 3**2 - 0.1 at L = 2, by hand."""
    assert read_path_counts("L*(1+z)^L - 0.1*z^0", 2)[2] == {0: Fraction(19, 10), 1: 4, 2: 2}


@pytest.mark.parametrize(
    ("path_counts", "words"),
    [
        ("", "one line"),
        ("(1+z", "cannot be read"),
        ("(1+y)^L", "no variable 'y'"),
        ("__import__('os')", "written with"),
        ("z.real", "written with"),
        ("z^L if L else 1", "written with"),
        ("z^z", "without z"),
        ("1/z", "without z"),
        ("1/L", r"division by zero \(at L = 0\)"),
        ("z^(L-1)", r"raised to -1 \(at L = 0\)"),
        ("z^(1/2)", "whole number"),
        ("9^9^9^9", "up to 1,000"),
        ("((2^1000)^1000)^1000", "too large"),
        ("(1+z+z^2)^(40*L)", "too long"),
        ("sum(sum(sum(1, i, 0, 999), j, 0, 999), k, 0, 999)", "too long"),
        ("sum(z^i, z, 0, L)", "variable of a sum"),
        ("factorial(10^9)", "whole number from 0 to 1,000"),
        ("1e999", "numbers go up to"),
        ("1; 1,a", "row of L = 1"),
        ("1;", "L = 0 and L = 1"),
        ("(" * 900, "cannot be read|nested"),
    ],
)
def test_what_is_no_path_count_is_refused_in_words(path_counts: str, words: str) -> None:
    """Bad expressions are the user's mistakes; nothing is evaluated as code."""
    with pytest.raises(InputError, match=words):
        design(path_counts)


@pytest.mark.parametrize("max_depth", [0, 7])
def test_the_history_depth_has_bounds(max_depth: int) -> None:
    """Depth 0 reads nothing but the anchor; the number of supports doubles twice a depth."""
    with pytest.raises(InputError, match="1 <= history depth <= 6"):
        design("(1+z)^L", max_depth)


def test_the_command_prints_json_and_exits_with_1_where_there_is_none() -> None:
    """The contract: `formula`, `history_depth`, `exact`."""
    result = CliRunner().invoke(main, ["design", "--paths", "sum(z^i, i, 0, L)", "--json"])
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["formula"], facts["history_depth"], facts["exact"]) == (0, RESNET_S, 2, True)
    result = CliRunner().invoke(main, ["design", "--paths", "factorial(L)", "--json"])
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["formula"], facts["history_depth"], facts["exact"]) == (1, None, None, False)
    assert "no recursion" in CliRunner().invoke(main, ["design", "--paths", "factorial(L)"]).stdout


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_name_in_the_path_counts_takes_a_number(count: int) -> None:
    """(1+k*z)^L with k residual functions a block, whatever k is bound to."""
    found = design("(1+k*z)^L", values={"k": str(count)})
    assert found.exact
    assert found.recursion == bind_formula("multi-residual", {"k": count})
