"""Variance growth: variances worked out by hand, and those of real networks as they are initialised."""

from dataclasses import replace
from math import pi

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from formulanas.analysis.variance import ACTIVATIONS, variance
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.network import layers
from formulanas.network.network import build

IMAGE = (3, 16, 16)
FLAT, STAGED = Backbone((16,), (8,)), Backbone((16, 32), (3, 3))
RECTIFIED = 1 / 2 - 1 / (2 * pi)  # the variance of relu(z) for a standard normal z: E z**2 / 2 - (E |z| / 2)**2


def measured(formula: str, backbone: Backbone, seed: int) -> list[float]:
    """The variance of the stem's output and of the state after each block of a network, in its first forward pass.

    The state before a block is what its residual function F reads, and the last is what the head reads. The norm that
    a pre-activated F shares with the shortcut reads it in the first block of the second stage.
    """
    network = build(Architecture(bind_formula(formula), backbone, IMAGE, 10), seed).train()
    found: list[float] = []

    def see(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(float(inputs[0].var()))

    modules = dict(network.named_children())
    if "stage2_norm" in modules:
        del modules["stage2_block1_F"]
    for name, module in modules.items():
        if name.endswith("_F") or name in ("stage2_norm", "head"):
            module.register_forward_pre_hook(see)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network(torch.randn(32, *IMAGE))
    return found


@pytest.mark.parametrize("backbone", [FLAT, STAGED], ids=["flat", "staged"])
@pytest.mark.parametrize(
    "formula",
    [
        "x[n] = x[n-1] + F[n](x[n-1])",
        "x[n] = x[n-1] + F[n](x[n-1]) - F[n-1](x[n-2])",
        "multi-residual",
        "momentum",
        "x[n] = x[n-1] + x[n-2] + F[n](x[n-1])",
        "x[n] = x[0] + F[n](x[n-1])",
        "x[n] = x[n-1] + F[n](x[n-1]); F = preactivation",
        "x[n] = x[n-1] + F[n](x[n-1]); shape = pad",
        "resnet",
        "resnet-s",
        "resnet-s-listing",
        "accumulated",
        "highway",
        "plain",
        "x[n] = x[n-1] + drop(F[n](x[n-1]), n / N)",
    ],
)
def test_the_prediction_is_what_networks_have(formula: str, backbone: Backbone) -> None:
    """Within 10 % in every block of the mean of four networks, which itself is known to 2 to 5 %."""
    backbone = replace(backbone, transform=bind_formula(formula).kind("F") or "basic")
    predicted = variance(bind_formula(formula), backbone, IMAGE)
    means = np.mean([measured(formula, backbone, seed) for seed in range(4)], axis=0)
    assert [predicted.stem, *predicted.blocks] == pytest.approx(means.tolist(), rel=0.1)


def test_a_residual_block_adds_one_and_eq_20_nothing() -> None:
    """Each F has variance 1; in x[n-1] + F[n] - F[n-1], the last F leaves the state as the new one enters."""
    grown = variance(bind_formula("x[n] = x[n-1] + F[n](x[n-1])"), FLAT, IMAGE)
    assert grown.stem == pytest.approx(RECTIFIED, rel=0.03)
    assert grown.blocks == pytest.approx([RECTIFIED + n for n in range(1, 9)], rel=0.03)
    assert grown.ratios == pytest.approx([(RECTIFIED + n) / (RECTIFIED + n - 1) for n in range(1, 9)], rel=0.05)
    constant = variance(bind_formula("x[n] = x[n-1] + F[n](x[n-1]) - F[n-1](x[n-2])"), FLAT, IMAGE)
    assert constant.blocks == pytest.approx([RECTIFIED + 1] * 8, rel=0.03)


@pytest.mark.parametrize(
    ("term", "added"), [("bernoulli(1/4) * F[n](x[n-1])", 1 / 4), ("uniform(-1, 1) * F[n](x[n-1])", 1 / 3)]
)
def test_chance_scales_what_a_block_adds(term: str, added: float) -> None:
    """By the mean square of the coefficient, that of a training: p, and (b - a)**2 / 12 for an even spread about 0."""
    found = variance(bind_formula(f"x[n] = x[n-1] + {term}"), FLAT, IMAGE)
    assert found.blocks == pytest.approx([RECTIFIED + n * added for n in range(1, 9)], rel=0.03)


def test_two_states_grow_by_fibonacci_numbers() -> None:
    """x[n] = x[n-1] + x[n-2] + F[n]: the stem comes f(n+1) times, F[k] comes f(n-k+1) times, and variances add."""
    found = variance(bind_formula("x[n] = x[n-1] + x[n-2] + F[n](x[n-1])"), FLAT, IMAGE)
    f = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    expected = [f[n + 1] ** 2 * RECTIFIED + sum(f[n - k + 1] ** 2 for k in range(1, n + 1)) for n in range(1, 9)]
    assert found.blocks == pytest.approx(expected, rel=0.03)


def test_a_norm_and_a_projection_have_variance_one_and_padding_mixes_in_zeros() -> None:
    """A padded stem of twice the width has the second moment 1/4 and the mean 1/2 sqrt(1 / 2 pi)."""
    twice = Backbone((16, 32), (1, 1))
    assert variance(bind_formula("x[n] = bn(x[n-1])"), FLAT, IMAGE).blocks == pytest.approx([1] * 8, rel=1e-3)
    assert variance(bind_formula("x[n] = x[n-1]"), twice, IMAGE).blocks[1] == pytest.approx(1, rel=1e-3)
    padded = variance(bind_formula("x[n] = x[n-1]; shape = pad"), twice, IMAGE).blocks[1]
    assert padded == pytest.approx(1 / 4 - 1 / (8 * pi), rel=0.03)


def test_a_state_that_has_not_begun_has_no_variance() -> None:
    """Nothing reaches block 1 of x[n] = x[n-2]."""
    found = variance(bind_formula("x[n] = x[n-2]"), Backbone((16,), (2,)), IMAGE)
    assert found.blocks == pytest.approx([0, RECTIFIED], rel=0.03)
    assert found.ratios == (0, float("inf"))


@pytest.mark.parametrize(
    ("formula", "words"),
    [("x[n] = concat(x[n-1], F[n](x[n-1]))", "joined channels"), ("x[n] = 1000 * x[n-1]", "beyond all numbers")],
)
def test_what_has_no_prediction_says_so(formula: str, words: str) -> None:
    """Joined channels, and states that overflow."""
    with pytest.raises(InputError, match=words):
        variance(bind_formula(formula), Backbone((16,), (60,)), IMAGE)


def test_the_activations_are_the_networks() -> None:
    """The same names, and the same values as in torch."""
    assert set(ACTIVATIONS) == set(layers.ACTIVATIONS)
    values = torch.linspace(-4, 4, 33, dtype=torch.float64)
    for name, function in ACTIVATIONS.items():
        assert function(values.numpy()) == pytest.approx(layers.ACTIVATIONS[name](values).numpy(), rel=1e-9, abs=1e-12)
