"""Equality as linear systems against being one architecture, and the paths one by one."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import linear_formulas

from formulanas.analysis.equivalence import Equivalence, equivalence
from formulanas.analysis.paths import paths
from formulanas.analysis.words import Words, expansion, render_words
from formulanas.cli.main import main
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula


def compare(a: str, b: str) -> Equivalence:
    """The comparison of two formulas, by text or by name."""
    return equivalence(bind_formula(a), bind_formula(b))


def test_eq_20_and_eq_21_are_one_linear_system_and_two_architectures() -> None:
    """Liao et al.: eq. (20) telescopes to eq. (21), and trains better."""
    assert compare("resnet-s", "anchored") == Equivalence(False, True, None, None)


def test_two_texts_of_one_computation_are_one_architecture() -> None:
    """The order of terms and names of sequences carry no meaning."""
    assert compare("x[n] = F[n](x[n-1]) + x[n-1]", "f[n] = F[n](x[n-1]); x[n] = x[n-1] + f[n]").same_architecture
    assert compare("highway", "highway").equal_linear


@pytest.mark.parametrize(
    ("a", "b", "witness"),
    [
        # (1 + F2)(1 + F1) against eq. (12), 1 + F2 + F2 F1
        ("resnet", "resnet-s", "over 2 blocks: the path F1 has weight 1 in A and 0 in B"),
        ("resnet", "plain", "over 1 block: the path that passes no residual function has weight 1 in A and 0 in B"),
        # x[n-6] is first read by block 6, where it is the stem
        (
            "resnet",
            "x[n] = x[n-1] + F[n](x[n-1]) + x[n-6]",
            "over 6 blocks: the path that passes no residual function has weight 1 in A and 2 in B",
        ),
        ("resnet", "multi-residual", "over 1 block: the path F[1, 2] has weight 0 in A and 1 in B"),
        # the functions of B pair with those of A in the order that agrees longest
        (
            "x[n] = F[n](x[n-1]) + 2 * F[n, 2](x[n-1])",
            "x[n] = F[n](x[n-1]) + relu(2 * F[n, 2](x[n-1])) + x[n-3]",
            "over 3 blocks: the path that passes no residual function has weight 0 in A and 1 in B",
        ),
        (
            "x[n] = x[n-1] + 1 / sqrt(N) * F[n](x[n-1])",
            "resnet",
            "over 2 blocks: the path F2 has weight 0.707107 in A and 1 in B",
        ),
    ],
)
def test_the_witness_is_a_path_over_the_fewest_blocks(a: str, b: str, witness: str) -> None:
    """Where two recursions differ, by hand."""
    assert compare(a, b) == Equivalence(False, False, witness, None)


def test_momentum_is_a_two_step_recursion_only_where_it_starts_at_rest() -> None:
    """Sander et al.: x[n] = x[n-1] + g (x[n-1] - x[n-2]) + (1 - g) F, where x[-1] = x[0]; else x1 has 1 + g."""
    two_step = "x[n] = x[n-1] + 0.9 * (x[n-1] - x[n-2]) + 0.1 * F[n](x[n-1])"
    assert compare("momentum", f"{two_step}; start = copy").equal_linear is True
    assert "weight 1 in A and 1.9 in B" in (compare("momentum", two_step).witness or "")


def test_residual_functions_do_not_commute() -> None:
    """G F and F G of one block are two paths, F and G being told apart by their coefficients."""
    sums = "x[n] = x[n-1] + F[n](x[n-1]) + 2 * F[n, 2](x[n-1])"
    assert compare(f"{sums} + F[n, 2](F[n](x[n-1]))", f"{sums} + F[n](F[n, 2](x[n-1]))").equal_linear is False


def test_the_numbers_of_residual_functions_are_interchangeable() -> None:
    """Their labels carry no meaning, only which are the same."""
    a, b = "x[n] = relu(F[n](x[n-1])) + 2 * F[n, 2](x[n-1])", "x[n] = F[n](x[n-1]) + relu(2 * F[n, 2](x[n-1]))"
    assert compare(a, b) == Equivalence(False, True, None, None)


def test_formulas_of_many_residual_functions_are_compared_by_their_numbers() -> None:
    """Six functions pair in 720 ways, which are not tried, so that unequal ones may be equal in another pairing."""
    many = "sum(F[n, j](x[n-1]), (j, 1, 6))"
    assert compare(f"x[n] = relu(x[n-1] + {many})", f"x[n] = x[n-1] + {many}").equal_linear is True
    found = compare(f"x[n] = x[n-1] + {many}", f"x[n] = {many}")
    assert found.equal_linear is False
    assert "more than 120 ways" in (found.note or "")


def test_gates_have_no_linear_reading() -> None:
    """A product of states is neither equal nor unequal as a linear system."""
    found = compare("highway", "resnet")
    assert (found.same_architecture, found.equal_linear, found.witness) == (False, None, None)
    assert "gate" in (found.note or "")


def test_coefficients_that_change_with_the_block_are_only_tested() -> None:
    """No finite number of blocks proves such a recursion equal to another."""
    found = compare("x[n] = relu(x[n-1] + F[n](x[n-1]) / n)", "x[n] = x[n-1] + F[n](x[n-1]) / n")
    assert found.equal_linear is True
    assert "tested over 1 to 16 blocks" in (found.note or "")


def test_roots_that_agree_as_floats_are_not_called_unequal() -> None:
    """1 / sqrt(N) and sqrt(N) / N are one number, and two floats for some N."""
    found = compare(
        "x[n] = x[n-1] + 1 / sqrt(N) * F[n](x[n-1])", "x[n] = relu(x[n-1] + 1 / N * sqrt(N) * F[n](x[n-1]))"
    )
    assert found.equal_linear is not False


@given(linear_formulas())
@settings(max_examples=40)
def test_activations_do_not_matter_to_the_linear_system(text: str) -> None:
    """A formula and the same without its activation are equal as linear systems."""
    assert equivalence(bind(text), bind(text.replace("relu(", "identity("))).equal_linear is not False


SMALL = st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=4, max_size=4).filter(lambda each: any(each[:3]))


def small(coefficients: list[int]) -> str:
    """A recursion of history depth 2."""
    a, b, c, d = coefficients
    return f"x[n] = relu({a} * x[n-1] + {c} * F[n](x[n-1])) + {b} * x[n-2] + {d} * F[n-1](x[n-2])"


@given(SMALL, SMALL)
def test_the_verdict_is_that_of_the_whole_expansion(first: list[int], second: list[int]) -> None:
    """Four entries of history each: all words of 1 to 7 blocks are equal exactly where the recursions are."""
    a, b = bind(small(first)), bind(small(second))
    blocks = next((count for count in range(1, 8) if expansion(a, count) != expansion(b, count)), None)
    found = equivalence(a, b)
    assert found.equal_linear is (blocks is None)
    assert blocks is None or (found.witness or "").startswith(f"over {blocks} block")


@pytest.mark.parametrize(
    ("target", "num_blocks", "text"),
    [
        ("resnet", 2, "1 + F1 + F2 + F2 F1"),  # (1 + F2)(1 + F1)
        ("resnet-s", 3, "1 + F3 + F3 F2 + F3 F2 F1"),  # Liao et al., eq. (12)
        ("plain", 3, "F3 F2 F1"),
        ("multi-residual", 1, "1 + F1 + F[1, 2]"),
        ("poly-2", 1, "1 + F1 + F1 F1"),
        ("x[n] = 0.5 * x[n-1] - 2 * F[n](x[n-1])", 2, "0.25 - F1 - F2 + 4 F2 F1"),
        ("x[n] = x[n-2] - F[n](x[n-2])", 1, "0"),
    ],
)
def test_the_paths_one_by_one(target: str, num_blocks: int, text: str) -> None:
    """Products of the blocks' maps, multiplied out by hand."""
    assert render_words(expansion(bind_formula(target), num_blocks)) == text


@given(linear_formulas(), st.integers(1, 4))
def test_the_expansion_sums_up_to_the_path_polynomial(text: str, num_blocks: int) -> None:
    """Words by their length have the weights that the polynomials in z have."""
    words: Words = expansion(bind(text), num_blocks)
    try:
        lengths = paths(bind(text), num_blocks).lengths
    except InputError:
        assert not words  # the state does not reach back to the stem
        return
    longest = max([len(lengths) - 1, *map(len, words)])
    sums = [
        sum(float(weight) for word, weight in words.items() if len(word) == length) for length in range(longest + 1)
    ]
    expected = [*lengths, *[0] * (longest + 1 - len(lengths))]
    assert sums == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(1, *(abs(float(each)) for each in expected)))


@pytest.mark.parametrize(
    ("target", "num_blocks", "words"),
    [("resnet", 13, "1 <= blocks <= 12"), ("poly-2", 12, "5,000 paths"), ("highway", 2, "gate")],
)
def test_what_cannot_be_listed_is_refused_in_words(target: str, num_blocks: int, words: str) -> None:
    """2**13 words are no answer, 3**12 neither, and gates have no words."""
    with pytest.raises(InputError, match=words):
        expansion(bind_formula(target), num_blocks)


def test_the_commands_print_json() -> None:
    """`show --equals` and `paths --expand`."""
    result = CliRunner().invoke(main, ["show", "resnet-s", "--equals", "anchored", "--json"])
    facts = json.loads(result.stdout)["equals"]
    assert (facts["formula"], facts["same_architecture"]) == (bind_formula("anchored").text, False)
    assert (facts["equal_linear"], facts["witness"]) == (True, None)
    result = CliRunner().invoke(main, ["paths", "resnet", "--blocks", "2", "--expand", "--json"])
    assert json.loads(result.stdout)["expansion"] == [
        {"weight": 1, "functions": []},
        {"weight": 1, "functions": ["F1"]},
        {"weight": 1, "functions": ["F2"]},
        {"weight": 1, "functions": ["F2", "F1"]},
    ]


def test_the_commands_print_text() -> None:
    """The same for a reader."""
    text = CliRunner().invoke(main, ["show", "resnet", "--equals", "resnet-s"]).stdout
    assert "another architecture; not equal as linear systems: over 2 blocks: the path F1" in text
    assert "1 + F1 + F2 + F2 F1" in CliRunner().invoke(main, ["paths", "resnet", "--blocks", "2", "--expand"]).stdout
