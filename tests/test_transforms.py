"""Transforms: the three forms of ResNeXt's block, cells as data, and what each costs by a count by hand."""

from dataclasses import replace

import pytest
import torch
from resnext_forms import FORMS, convert_resnext

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import Layers, macs, out_shape
from formulanas.architecture.transforms import TRANSFORMS, Style
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula
from formulanas.network.layers import build_layers
from formulanas.network.network import Network, build

STYLE = Style(activation="relu", bias=False, ratio=0.5, cardinality=4, scale=4, kernel=3, expansion=6)
IMAGE = (3, 16, 16)


def num_params(layers: Layers) -> int:
    return sum(layer.num_params() for layer in layers)


def resnext(form: str, seed: int, *, bias: bool = False) -> Network:
    """A small network of one form of the block, its statistics no longer those of the start."""
    backbone = Backbone((16, 32), (2, 1), transform=form, ratio=0.5, cardinality=4, conv_bias=bias)
    network = build(Architecture(bind_formula("resnet"), backbone, IMAGE, 10), seed).double()
    for _ in range(2):
        network(torch.randn(4, *IMAGE, dtype=torch.float64))
    return network


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("source", FORMS)
def test_the_forms_of_resnext_compute_the_same(source: str, target: str, bias: bool) -> None:
    """Forms (a), (b) and (c) of 1611.05431 with converted weights: equal outputs, training and evaluating."""
    first, second = resnext(source, 0, bias=bias), resnext(target, 1, bias=bias)
    convert_resnext(first, second)
    images = torch.randn(4, *IMAGE, dtype=torch.float64)
    for mode in (True, False):
        torch.testing.assert_close(first.train(mode)(images), second.train(mode)(images), rtol=1e-10, atol=1e-10)


def test_the_forms_of_resnext_cost_the_same() -> None:
    """Their block of 256 channels with C = 32, d = 4 has 70,144 weights in each form (1611.05431, section 3)."""
    style = replace(STYLE, cardinality=32)
    for form in FORMS:
        layers = TRANSFORMS[form].layers(256, 256, 1, style)
        assert num_params(layers) - 2 * (128 + 128 + 256) == 70_144
        assert macs(layers, (256, 1, 1)) == 70_144
        assert out_shape(layers, (256, 8, 8)) == (256, 8, 8)


def test_only_forms_of_resnext_are_converted() -> None:
    """Another transform, or another width, is refused by name."""
    with pytest.raises(InputError, match="resnext_joined"):
        convert_resnext(resnext("basic", 0), resnext("bottleneck", 0))
    wider = Backbone((16, 64), (2, 1), transform="bottleneck", ratio=0.5, cardinality=4)
    other = build(Architecture(bind_formula("resnet"), wider, IMAGE, 10), 0)
    with pytest.raises(InputError, match="differ in more"):
        convert_resnext(resnext("resnext_paths", 0), other)


def test_a_darts_cell_by_hand() -> None:
    """Two entering 1x1 convolutions, five separable and one dilated convolution, two skips; of width C = 4."""
    width = 4
    enter = 24 * width + 2 * width
    separable = 9 * width + width * width + 2 * width  # depthwise, pointwise, norm
    layers = TRANSFORMS["darts"].layers(48, 4 * width, 1, STYLE)
    assert num_params(layers) == 2 * enter + 5 * 2 * separable + separable
    assert out_shape(layers, (48, 8, 8)) == (16, 8, 8)


@pytest.mark.parametrize("name", ["darts", "nasnet", "amoebanet"])
@pytest.mark.parametrize("stride", [1, 2])
def test_cells_have_the_planned_shape(name: str, stride: int) -> None:
    """Normal and reduction cells bring two joined states to the width asked for; every operation gets a gradient."""
    layers = TRANSFORMS[name].layers(24, 30, stride, STYLE)
    module = build_layers(layers)
    values = torch.randn(2, 24, 8, 8)
    outputs = module(values)
    assert tuple(outputs.shape[1:]) == out_shape(layers, (24, 8, 8)) == (30, 8 // stride, 8 // stride)
    outputs.sum().backward()
    assert all(weight.grad is not None for weight in module.parameters())
    assert sum(weight.numel() for weight in module.parameters()) == num_params(layers)


def test_what_a_cell_reads_is_not_overwritten() -> None:
    """Its operations begin with activations, and read nodes that others read too."""
    module = build_layers(TRANSFORMS["nasnet"].layers(24, 30, 1, STYLE))
    values = torch.randn(2, 24, 8, 8)
    before = values.clone()
    module(values)
    assert torch.equal(values, before)


def test_a_cell_reads_two_states() -> None:
    """An odd number of channels cannot be two states."""
    with pytest.raises(InputError, match="two states"):
        TRANSFORMS["darts"].layers(9, 16, 1, STYLE)


def test_channels_that_are_no_multiple_of_the_parts_are_refused() -> None:
    """A residual function of the stage's width, 16, and the growth, 12, has 14 inside, which are no four equal parts."""
    both = "x[n] = x[n-1] + F[n](x[n-1])[:width] + G[n](F[n](x[n-1])[width:])"
    over = Backbone((16, 32), (2, 2), growth=12, transform="res2net", ratio=0.5, scale=4)
    with pytest.raises(InputError, match="14 channels cannot be split into the 4 parts"):
        build(Architecture(bind(both), over, (3, 16, 16), 10), 0)


def test_mbconv_by_hand() -> None:
    """32 channels, expanded six times, gate of 8 units, 5x5 depthwise: 1905.11946 and its code."""
    style = replace(STYLE, kernel=5, activation="silu")
    inside = 192
    weights = 32 * inside + inside * 25 + inside * 64 + 2 * inside * 8 + inside + 8
    norms = 2 * (inside + inside + 64)
    assert num_params(TRANSFORMS["mbconv"].layers(32, 64, 2, style)) == weights + norms


def test_an_inception_block_by_hand() -> None:
    """Branches of one, two and three convolutions of half the width, then a biased 1x1."""
    inside = 8
    convs = [16 * inside, 16 * inside, 9 * inside**2, 16 * inside, 9 * inside**2, 9 * inside**2]
    weights = sum(convs) + 6 * 2 * inside + 3 * inside * 16 + 16
    assert num_params(TRANSFORMS["inception"].layers(16, 16, 1, STYLE)) == weights


def test_branches_share_the_norm_where_the_shape_changes() -> None:
    """In the first block of a stage k pre-activated branches and the shortcut have one norm (code of 1609.05672)."""
    text = "x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, 3))"
    backbone = Backbone((8, 16), (2, 2), transform="preactivation")
    plan = Architecture(bind(text), backbone, IMAGE, 10).plan
    readers = {name: [line.module for line in plan.lines if line.inputs == (name,)] for name in ("v1",)}
    assert plan.lines[1].module == "stage1_norm"
    assert readers["v1"] == ["stage1_block1_F", "stage1_block1_F2", "stage1_block1_F3"]
    assert list(plan.modules).count("stage2_norm") == 1
    shared = next(line.target for line in plan.lines if line.module == "stage2_norm")
    assert {line.module for line in plan.lines if shared in line.inputs and line.module} == {
        "stage2_carry_x",
        "stage2_block1_F",
        "stage2_block1_F2",
        "stage2_block1_F3",
    }
