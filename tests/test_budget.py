"""Equal budgets: widths that bring any formula to the parameters or multiply-accumulates asked for."""

from dataclasses import replace
from typing import Literal

import pytest

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.budget import fit_width
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula

BACKBONE = Backbone((12, 24, 48), (2, 2, 2), stem_stride=2)
IMAGE = (3, 32, 32)
MULTI = "x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k))"


@pytest.mark.parametrize("measure", ["params", "macs"])
@pytest.mark.parametrize("transform", ["basic", "bottleneck", "preactivation", "res2net"])
@pytest.mark.parametrize("functions", [1, 2, 4])
def test_wirings_compete_at_equal_size(functions: int, transform: str, measure: Literal["params", "macs"]) -> None:
    """Whatever the number of residual functions and the transform, the count is within 2 % of the budget."""
    backbone = replace(BACKBONE, widths=(16, 32, 64), transform=transform)
    budget = 120_000 if measure == "params" else 9_000_000
    fitted = fit_width(Architecture(bind(MULTI, {"k": functions}), backbone, IMAGE, 10), measure, budget)
    cost = fitted.plan.num_params if measure == "params" else fitted.plan.macs
    assert cost == pytest.approx(budget, rel=0.02)


def test_more_functions_are_narrower() -> None:
    """Twice the functions at equal parameters have about 1 / sqrt(2) of the width."""
    widths = [
        fit_width(Architecture(bind(MULTI, {"k": k}), BACKBONE, IMAGE, 10), "params", 200_000).backbone.widths[-1]
        for k in (1, 2)
    ]
    assert widths[1] / widths[0] == pytest.approx(2**-0.5, rel=0.06)


def test_what_has_the_budget_is_left_alone() -> None:
    """The network whose own count is the budget keeps its widths."""
    architecture = Architecture(bind_formula("resnet"), BACKBONE, IMAGE, 10)
    assert fit_width(architecture, "params", architecture.plan.num_params).backbone.widths == (12, 24, 48)


def test_a_budget_out_of_reach_says_so() -> None:
    """Ten parameters are fewer than the narrowest network has."""
    with pytest.raises(InputError, match="no width gives params within 2%"):
        fit_width(Architecture(bind_formula("resnet"), BACKBONE, IMAGE, 10), "params", 10)


def test_the_transform_may_be_the_formulas() -> None:
    """Widths that a declared transform cannot have become multiples of what it needs: of 16 for Res2Net."""
    recursion = bind("x[n] = relu(x[n-1] + F[n](x[n-1])); F = res2net")
    fitted = fit_width(Architecture(recursion, BACKBONE, IMAGE, 10), "params", 150_000)
    assert fitted.plan.num_params == pytest.approx(150_000, rel=0.02)
    assert all(width % 16 == 0 for width in fitted.backbone.widths)
