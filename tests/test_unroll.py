"""One recursion, several algebras: what the path polynomial says is what the network's own code computes."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import linear_formulas

from formulanas.analysis.paths import PathAlgebra
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.plan import plan
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.program import lower
from formulanas.formula.published import published
from formulanas.formula.unroll import unroll
from formulanas.network.network import compile_forward


def derivative(text: str, depths: tuple[int, ...], slope: float) -> float:
    """D x[L] / d x[0] by autograd through the network's forward pass, every residual function being `slope * u`.

    Stem, head, norms, activations and projections are replaced by identities.
    """
    backbone = Backbone(widths=tuple(range(1, len(depths) + 1)), depths=depths)
    made = plan(bind(text), backbone, (1, 8, 8), 2)
    calls = {name: (lambda u: slope * u) if "_F" in name else (lambda u: u) for name in made.modules}
    forward = compile_forward(made.source(), "scalar", {"relu": lambda u: u})
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(forward(SimpleNamespace(**calls), x), x)
    return float(gradient)


def polynomial(text: str, depths: tuple[int, ...]) -> list[int | float]:
    """The path polynomial over stages of `depths` blocks."""
    stages = [stage for stage, depth in enumerate(depths, 1) for _ in range(depth)]
    return unroll(lower(bind(text)), stages, PathAlgebra(signed=True), [1])


@given(linear_formulas(), st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), st.floats(-2, 2))
def test_the_path_polynomial_is_the_derivative_of_the_network(text: str, depths: tuple[int, ...], slope: float) -> None:
    """P(z) = d x[L] / d x[0] where every residual function is z * u, over stages, with every policy."""
    try:
        expected = polynomial(text, depths)
    except InputError:
        return  # the state does not reach back to the stem
    value = sum(float(weight) * slope**length for length, weight in enumerate(expected))
    scale = sum(abs(float(weight)) * abs(slope) ** length for length, weight in enumerate(expected))
    assert derivative(text, depths, slope) == pytest.approx(value, rel=1e-9, abs=1e-9 * max(scale, 1))


def test_a_term_before_the_first_block_is_missing_or_the_stem() -> None:
    """With x[n] = x[n-2] alone nothing reaches block 1; with start = copy the stem does."""
    text = "x[n] = x[n-2] + F[n](x[n-1])"
    assert polynomial(text, (1,)) == [0, 1]
    assert polynomial(text + "; start = copy", (1,)) == [1, 1]


def test_copy_start_of_eq_20_collapses_to_the_plain_network() -> None:
    """Facts: where the stem fills the slot of F[0], x1 = x0 + F(x0) - x0, and so on: x[n] = F[n](x[n-1])."""
    assert polynomial(published("resnet-s").formula + "; start = copy", (4,)) == [0, 0, 0, 0, 1]


def test_reset_starts_the_history_anew_at_each_stage() -> None:
    """Two stages of one block each are twice the same map: (1 + z) of x[n-1], with no term from before the change."""
    text = "x[n] = x[n-1] + x[n-2] + F[n](x[n-1]); shape = reset"
    assert polynomial(text, (2,)) == [2, 2, 1]  # x2 = x1 + x0 + F(x1)
    assert polynomial(text, (1, 1)) == [1, 2, 1]  # x2 = x1 + F(x1)


def test_anchor_under_reset_is_what_enters_the_stage() -> None:
    """x[0] of a stage that begins anew is the state that enters it."""
    text = "x[n] = x[0] + F[n](x[n-1]); shape = reset"
    assert polynomial(text, (1, 1)) == [1, 2, 1]
    assert polynomial(text.replace("reset", "project"), (1, 1)) == [1, 1, 1]


def test_the_printed_listing_without_residual_functions_has_period_six() -> None:
    """Facts: the homogeneous recurrence of the listing is x[n+1] = x[n] - x[n-1], that is 1, 1, 0, -1, -1, 0."""
    text = published("resnet-s-listing").formula
    constants = [polynomial(text, (blocks,))[0] for blocks in range(1, 13)]
    assert constants == [1, 0, -1, -1, 0, 1, 1, 0, -1, -1, 0, 1]


def test_an_earlier_residual_function_can_be_applied_again() -> None:
    """F[n-1](x[n-1]) is the last block's function applied to its own output: x2 = x1 + F1(x1), where x1 = x0."""
    assert polynomial("x[n] = F[n-1](x[n-1]) + x[n-1]", (2,)) == [1, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x[n] = F[n-2](x[n-1]) + x[n-1]", "later state"),
        ("x[n] = F[1](x[n-1]) + x[n-1]", "the block of a transform"),
        ("x[n] = x[n-2] + F[n](x[n-3])", "zero after the last block"),
    ],
)
def test_what_no_program_computes_is_refused_in_words(text: str, words: str) -> None:
    """A formula that binds but cannot run says why."""
    with pytest.raises(InputError, match=words):
        polynomial(text, (1,))
