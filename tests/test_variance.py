"""Variance growth: variances worked out by hand, and those of real networks as they are initialised."""

from math import pi

import numpy as np
import pytest
import torch
from plan_reader import values_of

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.variance import ACTIVATIONS, variance
from formulanas.errors import InputError
from formulanas.formula.published import atlas, bind_formula
from formulanas.network import layers
from formulanas.network.network import build

IMAGE = (3, 16, 16)
FLAT, STAGED = Backbone((16,), (8,)), Backbone((16, 32), (3, 3))
RECTIFIED = 1 / 2 - 1 / (2 * pi)  # the variance of relu(z) for a standard normal z: E z**2 / 2 - (E |z| / 2)**2


def architecture(formula: str, backbone: Backbone) -> Architecture:
    """A formula, or a published one, over a backbone, for small images."""
    return Architecture(bind_formula(formula), backbone, IMAGE, 10)


def measured(made: Architecture, seed: int, batch: int = 32) -> list[float]:
    """The variance of the stem's output and of the state after each block of a network, in its first forward pass."""
    network = build(made, seed).train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = values_of(network, torch.randn(batch, *IMAGE))
    states = (made.plan.states.get(("x", block)) for block in range(len(made.backbone.stages) + 1))
    return [0.0 if state is None else float(values[state.name].var()) for state in states]


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
    made = architecture(formula, backbone)
    predicted = variance(made)
    means = np.mean([measured(made, seed) for seed in range(4)], axis=0)
    assert [predicted.stem, *predicted.blocks] == pytest.approx(means.tolist(), rel=0.1)


KINDS = {
    "squeeze": Backbone((16, 32), (3, 3), squeeze=4),
    "groups": Backbone((16, 32), (3, 3), transform="bottleneck", ratio=0.5, cardinality=4),
    "pre-activation": Backbone((16, 32), (3, 3), transform="preactivation"),
    "joined channels": Backbone((16, 16), (3, 3), transform="dense", growth=8),
    "res2net": Backbone((16, 32), (3, 3), transform="res2net", ratio=0.5),
}
SAID = [name for name, entry in atlas().items() if not entry.reason]
CHOSEN = ("resnet", "resnet-s", "accumulated", "multi-residual", "densenet", "dpn", "highway", "momentum", "revnet")
UNPREDICTED = (  # what a function makes of like states, or an activation of two sums of them, is not independent
    *("poly-2", "poly-3", "mpoly-2", "runge-kutta-2", "runge-kutta-4", "crescendonet", "dsnet", "diracnet"),
)
UNEVEN = [("dpn", "groups"), ("dpn", "res2net")]  # the widths of a split do not fit the groups of the backbone


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=[] if name in CHOSEN else pytest.mark.slow)
        for name in SAID
        for kind in KINDS
        if (name, kind) not in UNEVEN and name not in UNPREDICTED
    ],
)
def test_published_formulas_have_the_predicted_variance(name: str, kind: str) -> None:
    """Within a quarter in every block of the mean of four networks, whose few channels leave it uncertain by a tenth."""
    made = architecture(name, KINDS[kind])
    predicted = variance(made)
    means = np.mean([measured(made, seed, batch=16) for seed in range(4)], axis=0)
    assert [predicted.stem, *predicted.blocks] == pytest.approx(means.tolist(), rel=0.25, abs=1e-6)


def test_a_residual_block_adds_one_and_eq_20_nothing() -> None:
    """Each F has variance 1; in x[n-1] + F[n] - F[n-1], the last F leaves the state as the new one enters."""
    grown = variance(architecture("x[n] = x[n-1] + F[n](x[n-1])", FLAT))
    assert grown.stem == pytest.approx(RECTIFIED, rel=0.03)
    assert grown.blocks == pytest.approx([RECTIFIED + n for n in range(1, 9)], rel=0.03)
    assert grown.ratios == pytest.approx([(RECTIFIED + n) / (RECTIFIED + n - 1) for n in range(1, 9)], rel=0.05)
    constant = variance(architecture("x[n] = x[n-1] + F[n](x[n-1]) - F[n-1](x[n-2])", FLAT))
    assert constant.blocks == pytest.approx([RECTIFIED + 1] * 8, rel=0.03)


@pytest.mark.parametrize(
    ("term", "added"), [("bernoulli(1/4) * F[n](x[n-1])", 1 / 4), ("uniform(-1, 1) * F[n](x[n-1])", 1 / 3)]
)
def test_chance_scales_what_a_block_adds(term: str, added: float) -> None:
    """By the mean square of the coefficient, that of a training: p, and (b - a)**2 / 12 for an even spread about 0."""
    found = variance(architecture(f"x[n] = x[n-1] + {term}", FLAT))
    assert found.blocks == pytest.approx([RECTIFIED + n * added for n in range(1, 9)], rel=0.03)


def test_two_states_grow_by_fibonacci_numbers() -> None:
    """x[n] = x[n-1] + x[n-2] + F[n]: the stem comes f(n+1) times, F[k] comes f(n-k+1) times, and variances add."""
    found = variance(architecture("x[n] = x[n-1] + x[n-2] + F[n](x[n-1])", FLAT))
    f = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    expected = [f[n + 1] ** 2 * RECTIFIED + sum(f[n - k + 1] ** 2 for k in range(1, n + 1)) for n in range(1, 9)]
    assert found.blocks == pytest.approx(expected, rel=0.03)


def test_a_norm_and_a_projection_have_variance_one_and_padding_mixes_in_zeros() -> None:
    """A padded stem of twice the width has the second moment 1/4 and the mean 1/2 sqrt(1 / 2 pi)."""
    twice = Backbone((16, 32), (1, 1))
    assert variance(architecture("x[n] = bn(x[n-1])", FLAT)).blocks == pytest.approx([1] * 8, rel=1e-3)
    assert variance(architecture("x[n] = x[n-1]", twice)).blocks[1] == pytest.approx(1, rel=1e-3)
    padded = variance(architecture("x[n] = x[n-1]; shape = pad", twice)).blocks[1]
    assert padded == pytest.approx(1 / 4 - 1 / (8 * pi), rel=0.03)


def test_a_state_that_has_not_begun_has_no_variance() -> None:
    """Nothing reaches block 1 of x[n] = x[n-2]."""
    found = variance(architecture("x[n] = x[n-2]", Backbone((16,), (2,))))
    assert found.blocks == pytest.approx([0, RECTIFIED], rel=0.03)
    assert found.ratios == (0, float("inf"))


def test_a_state_that_overflows_has_no_prediction() -> None:
    """A thousandfold state in each of 60 blocks is beyond all numbers."""
    with pytest.raises(InputError, match="beyond all numbers"):
        variance(architecture("x[n] = 1000 * x[n-1]", Backbone((16,), (60,))))


def test_joined_channels_have_their_own_variances() -> None:
    """Beside the stem's 16 channels, of variance 1/2 - 1/(2 pi) about their mean, 4 new ones of variance 1 a block."""
    found = variance(architecture("x[n] = concat(x[n-1], F[n](x[n-1]))", Backbone((16,), (2,), growth=4)))
    for block, grown in enumerate(found.blocks, 1):
        channels = 16 + 4 * block
        square, mean = (16 / 2 + 4 * block) / channels, 16 / (2 * pi) ** 0.5 / channels
        assert grown == pytest.approx(square - mean**2, rel=0.03)


def test_a_squeeze_halves_what_a_function_makes() -> None:
    """The gate of squeeze-and-excitation starts near a half: each block adds 1/4."""
    found = variance(architecture("x[n] = x[n-1] + F[n](x[n-1])", Backbone((16,), (4,), squeeze=4)))
    assert found.blocks == pytest.approx([RECTIFIED + n / 4 for n in range(1, 5)], rel=0.03)


def test_the_activations_are_the_networks() -> None:
    """The same names, and the same values as in torch."""
    assert set(ACTIVATIONS) == set(layers.ACTIVATIONS)
    values = torch.linspace(-4, 4, 33, dtype=torch.float64)
    for name, function in ACTIVATIONS.items():
        assert function(values.numpy()) == pytest.approx(layers.ACTIVATIONS[name](values).numpy(), rel=1e-9, abs=1e-12)
