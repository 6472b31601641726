"""The atlas says what its sources say: each recursion held against a loop over numbers, the layers of a block, a statement.

Residual functions are nonlinear functions of their block, norms are odd ones; a learned coefficient is a quarter above
its start, a random one at three tenths of its range. A wrong index, start, order or place so gives another number.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
import restated
from restated import DRAW, Channels, Function

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import lower
from formulanas.formula.published import Entry, atlas, bind_formula
from formulanas.formula.unroll import unroll

STEMS = (0.8, -1.3)  # what is rectified shows where a state is negative


class Numbers(Algebra[Channels]):
    """States are numbers, several where channels are joined."""

    def combine(self, terms: list[tuple[Scalar, Channels]], constant: Scalar) -> Channels:
        rows = [[float(weight) * each for each in value] for weight, value in terms]
        return tuple(sum(column) + float(constant) for column in zip(*rows, strict=True))

    def transform(self, name: str, branch: int, block: int, value: Channels) -> Channels:
        weighted = sum(place * each for place, each in enumerate(value, 2))
        return (0.1 + math.sin(1.7 * weighted + block + 2.3 * branch + ord(name)),)

    def operation(self, name: str, value: Channels, block: int) -> Channels:
        functions = {name: getattr(restated, name) for name in ("relu", "ln", "bn", "sigmoid")} | {"tanh": math.tanh}
        return tuple(functions[name](each) for each in value)

    def product(self, factors: list[Channels]) -> Channels:
        return tuple(math.prod(column) for column in zip(*factors, strict=True))

    def learned(self, group: list[ex.Learn], block: int, place: int) -> list[Channels] | list[Scalar]:
        starts = [float(each.start.value) for each in group if isinstance(each.start, ex.Number)]
        values: list[Scalar] = [restated.learned(start) for start in starts]
        return values

    def random(self, coefficient: ex.Random, block: int) -> Scalar:
        if coefficient.distribution == "bernoulli":
            return DRAW
        low, high = (each.value for each in coefficient.parameters if isinstance(each, ex.Number))
        return low + Fraction(DRAW) * (high - low)

    def concat(self, parts: list[Channels]) -> Channels:
        return tuple(each for part in parts for each in part)


SOURCES: dict[str, tuple[Callable[..., float | Channels], str]] = {
    "nanogpt-skips": (restated.nanogpt_skips, "KellerJordan/modded-nanogpt, records of 2024-11-10 and 2025-01-26"),
    "dlcl": (restated.dlcl, "wangqiangneu/dlcl, layer_history.py and simple_dlcl_transformer.py"),
    "dca": (restated.dca, "2502.06785, sections 3 to 3.1 and 4.1"),
    "leapfrog": (restated.leapfrog, "XtractOpen/Meganet.m, LeapFrogNN.m"),
    "revcol": (restated.revcol, "2212.11696, and megvii-research/RevCol, models/revcol.py, for 0.5 and nothing before"),
    "merge-and-run": (restated.merge_and_run, "zlmzju/fusenet, network/imagenet/symbol_cross.py, before its last ReLU"),
    "shake-shake": (restated.shake_shake, "xgastaldi/shake-shake, models/shakeshakeblock.lua"),
    "gtrxl": (restated.gtrxl, "opendilab/DI-hpc, gru.py; Ghadjeres/fast-transformers, gating_layers.py"),
    "skipnet": (restated.skipnet, "ucbdrive/skipnet, cifar/models.py"),
    "hyper-connections": (restated.hyper_connections, "2409.19606, algorithm 2 and eq. (14)"),
    "mhc": (restated.mhc, "2512.24880; 2601.05732 for doubly stochastic matrices of two streams; the starts are ours"),
    "nfnet": (restated.nfnet, "deepmind-research, nfnets/nfnet.py, the first stage"),
    "efficientnet": (restated.efficientnet, "EfficientNet-PyTorch, model.py"),
    "stochastic-depth": (restated.stochastic_depth, "1603.09382, eq. (4) with p_L = 0.5, expected"),
    "admin": (restated.admin, "Transformer-Clinic, transformer_layer.py, with unit variances"),
    "deepnorm": (restated.deepnorm, "torchscale, encoder.py: alpha of an encoder; two sublayers a layer"),
    "residual": (restated.residual, "2304.14802"),
    "weighted-residual": (restated.weighted_residual, "1605.08831, eq. (2); nutszebra/weighted_residual_net"),
    "skipinit": (restated.rezero, "2002.10444"),
    "rezero": (restated.rezero, "2003.04887"),
    "fixup": (restated.fixup, "hongyi-zhang/Fixup, the outer form of a block"),
    "pyramidnet": (restated.pyramidnet, "jhkim89/PyramidNet, addpyramidnet.lua"),
    "shakedrop": (restated.shakedrop, "owruby/shake-drop_pytorch, shake_pyramidnet.py"),
    "poly-2": (restated.poly(2), "Cadene/pretrained-models.pytorch, polynet.py"),
    "poly-3": (restated.poly(3), "Cadene/pretrained-models.pytorch, polynet.py"),
    "mpoly-2": (restated.mpoly_2, "1611.05725, with the ReLU of the released poly-3"),
    "two-way": (restated.two_way, "Cadene/pretrained-models.pytorch, polynet.py"),
    "fractalnet": (restated.fractalnet, "gustavla/fractalnet, generation/globals.crox and fractalnet.py"),
    "lm-resnet": (restated.lm_resnet, "2prime/LM-ResNet, MResNet.py, the first stage"),
    "denseformer": (restated.denseformer, "epfml/DenseFormer"),
    "momentum": (restated.momentum, "michaelsdr/momentumnet, the first stage"),
    "hamiltonian": (restated.hamiltonian, "XtractOpen/Meganet.m, DoubleHamiltonianNN.m, with a step of 1"),
    "revnet": (restated.revnet, "renmengye/revnet-public, revnet_model.py"),
    "hardnet": (restated.hardnet, "PingoLH/Pytorch-HarDNet, hardnet.py, get_link and ConvLayer"),
    "sparsenet": (restated.sparsenet, "Lyken17/SparseNet, utils.py, expFetch; summed"),
    "runge-kutta-2": (restated.runge_kutta((0, 1), (1 / 2, 1 / 2)), "Heun's method"),
    "runge-kutta-4": (
        restated.runge_kutta((0, 1 / 2, 1 / 2, 1), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
        "Kutta's method of order 4",
    ),
}


@pytest.mark.parametrize("blocks", [2, 4, 6])
@pytest.mark.parametrize("name", SOURCES)
def test_a_formula_computes_what_its_source_does(name: str, blocks: int) -> None:
    """The number after the last block is that of the source, for one way of naming its residual functions."""
    bound, (source, _) = bind_formula(name), SOURCES[name]
    calls = [part for part in bound.parts() if isinstance(part, ex.Transform)]
    names = sorted({(call.name, int(call.branch.value)) for call in calls if isinstance(call.branch, ex.Number)})
    plain, gates = [each for each in names if each[0] != "T"], [each for each in names if each[0] == "T"]

    def function(name: str, branch: int) -> Function:
        return lambda block, *arguments: numbers.transform(name, branch, block, arguments)[0]

    numbers = Numbers()
    computed = [unroll(lower(bound), [1] * blocks, numbers, (stem,)) for stem in STEMS]
    for order in permutations(plain):
        given = [source(stem, blocks, *(function(*each) for each in (*order, *gates))) for stem in STEMS]
        expected = [each if isinstance(each, tuple) else (each,) for each in given]
        if all(ours == pytest.approx(theirs) for ours, theirs in zip(computed, expected, strict=True)):
            return
    pytest.fail(f"{name} gives {computed}, its source {expected}")


POST = ["Conv", "BatchNorm", "Activation", "Conv", "BatchNorm"]
PRE = ["BatchNorm", "Activation", "Conv"] * 2
BLOCKS = {
    "shake-shake": (POST * 2, "xgastaldi/shake-shake, after the ReLU that the formula has"),
    "pyramidnet": (["BatchNorm", *POST], "jhkim89/PyramidNet, addpyramidnet.lua: no first ReLU, a last norm"),
    "shakedrop": (["BatchNorm", *POST], "owruby/shake-drop_pytorch"),
    "dpn": (PRE, "cypw/DPNs, symbol_basic.py: BN_AC_Conv throughout"),
    "lm-resnet": (PRE, "2prime/LM-ResNet, MResNet.py"),
    "preact-resnet": (PRE, "1603.05027"),
    "revnet": (PRE * 2, "renmengye/revnet-public, resnet_model.py"),
    "sparsenet": (PRE, "Lyken17/SparseNet, utils.py: BN-ReLU-conv"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_layers_of_a_block_are_those_of_its_source(name: str) -> None:
    """In the order of the forward pass; coefficients stand apart."""
    plan = Architecture(bind_formula(name), Backbone((8,), (2,), growth=4), (3, 16, 16), 10).plan
    layers = [
        type(layer).__name__
        for line in plan.lines
        if line.module and line.module.startswith("stage1_block2")
        for layer in plan.modules[line.module]
    ]
    assert [each for each in layers if each not in ("Coefficients", "RandomCoefficient")] == BLOCKS[name][0]


STATEMENTS = [
    ("feedback", "year", "2016", "arXiv 1612.09508"),
    ("attention-residuals", "reason", "softmax", "2603.15031: softmax of w_n . RMSNorm(v_i), w_n learned"),
    ("ror", "reason", "the whole network", "1608.02908: a root shortcut"),
]


@pytest.mark.parametrize(("name", "field", "said", "source"), STATEMENTS)
def test_an_entry_states_its_source(name: str, field: str, said: str, source: str) -> None:
    """A year or a reason as the source has it."""
    assert said in str(getattr(atlas()[name], field)), source


def test_every_entry_says_what_it_was_checked_against() -> None:
    """One of three words; what is restated above was read, so that memory is not one of them there."""
    assert {entry.checked for entry in atlas().values()} == {"authors' code", "paper", "memory"}
    remembered = {name for name in SOURCES if atlas()[name].checked == "memory"}
    assert remembered == {"runge-kutta-2", "runge-kutta-4"}  # of which the methods are known, and not the networks
    given = Entry("any", 2000, "nowhere", "memory", formula="x[n] = F[n](x[n-1])")
    with pytest.raises(AssertionError):
        replace(given, checked="hearsay")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="checked"):
        Entry("any", 2000, "nowhere", formula="x[n] = F[n](x[n-1])")  # type: ignore[call-arg]
