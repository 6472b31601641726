"""Architectures and networks: what is planned is what is built."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from strategies import linear_formulas

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.architecture.transforms import TRANSFORMS
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula
from formulanas.network.network import build

SMALL = Backbone(widths=(8, 16), depths=(2, 2))
IMAGE = (3, 16, 16)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(
    "name", ["resnet", "resnet-s", "accumulated", "highway", "poly-2", "momentum", "resnet-s-listing", "nasnet"]
)
def test_what_is_planned_is_what_is_built(name: str, transform: str) -> None:
    """Every published formula over every transform runs forward and backward, with the planned parameters."""
    squeeze = 4 if transform in ("bottleneck", "preactivation") else None
    chosen = Backbone(
        (16, 32), (2, 2), transform=transform, squeeze=squeeze, cardinality=1 + (transform == "bottleneck")
    )
    architecture = Architecture(bind_formula(name), chosen, IMAGE, 10)
    network = build(architecture, seed=0)
    assert sum(each.numel() for each in network.parameters()) == architecture.plan.num_params
    logits = network(torch.randn(2, *IMAGE))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    unused = [each for each, weight in network.named_parameters() if weight.grad is None]
    assert all("stage1_carry" in each for each in unused)  # only projections of a history that is zero


@settings(max_examples=30)
@given(linear_formulas())
def test_random_formulas_become_networks(text: str) -> None:
    """Whatever binds and reaches the stem is built, runs and gives every used parameter a gradient."""
    try:
        architecture = Architecture(bind(text), SMALL, IMAGE, 10)
        network = build(architecture, seed=0)
    except InputError:
        return
    network(torch.randn(2, *IMAGE)).square().sum().backward()
    assert all(torch.isfinite(each.grad).all() for each in network.parameters() if each.grad is not None)


def reference_resnet_s(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Eq. (20) written out by hand over two stages of two blocks, from the network's own modules."""
    part = network.get_submodule
    x: torch.Tensor = part("stem")(images)
    f: torch.Tensor | None = None
    for stage in (1, 2):
        for block in (1, 2):
            shortcut, cached = x, f
            if stage == 2 and block == 1:
                shortcut, cached = part("stage2_carry_x")(x), part("stage2_carry_f1")(f)
            new = part(f"stage{stage}_block{block}_F")(x)
            x = torch.relu(shortcut + new)
            x = x if cached is None else x - cached
            f = new
    logits: torch.Tensor = part("head")(x)
    return logits


def test_resnet_s_computes_its_equation() -> None:
    """The generated forward pass of eq. (20) equals the equation written by hand, to the last bit."""
    network = build(Architecture(bind_formula("resnet-s"), SMALL, IMAGE, 10), seed=1).eval()
    images = torch.randn(3, *IMAGE)
    assert torch.equal(network(images), reference_resnet_s(network, images))


def test_adding_does_not_change_what_is_kept() -> None:
    """The bug of the paper's printed listing: a sum in place into a tensor that is also history. F is kept as it was."""
    network = build(Architecture(bind_formula("resnet-s"), SMALL, IMAGE, 10), seed=1).eval()
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    network.get_submodule("stage1_block1_F").register_forward_hook(
        lambda *call: kept.append((call[2], call[2].clone()))
    )
    network(torch.randn(2, *IMAGE))
    (now, then), *_ = kept
    assert torch.equal(now, then)


def test_dead_history_is_freed() -> None:
    """A ResNet's forward pass keeps no state beyond its next block: every variable is deleted after its last use."""
    source = Architecture(bind_formula("resnet"), Backbone((8,), (50,)), IMAGE, 10).plan.source()
    alive: set[str] = set()
    most = 0
    for line in source.splitlines()[1:-1]:
        if line.strip().startswith("del "):
            alive -= set(line.replace("del", "").replace(" ", "").split(","))
        else:
            alive.add(line.split("=")[0].strip())
            most = max(most, len(alive))
    assert most <= 3


@pytest.mark.parametrize("policy", ["project", "pad", "reset"])
def test_history_crosses_a_change_of_shape_by_its_policy(policy: str) -> None:
    """The two-step x[n-2] crosses by its own projection, by padding without parameters, or not at all."""
    text = f"x[n] = relu(x[n-1] + x[n-2] + F[n](x[n-1])); shape = {policy}"
    modules = Architecture(bind(text), SMALL, IMAGE, 10).plan.modules
    carries = {name: sum(layer.num_params() for layer in layers) for name, layers in modules.items() if "carry" in name}
    expected = {
        "project": {"stage2_carry_x": 8 * 16 + 32, "stage2_carry_x_2": 8 * 16 + 32},
        "pad": {"stage2_carry_x": 0, "stage2_carry_x_2": 0},
        "reset": {"stage2_carry_x": 8 * 16 + 32},
    }
    assert carries == expected[policy]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x[n] = x[n-1] + concat(x[n-1], F[n](x[n-1]))", "cannot be added"),
        ("x[n] = concat(x[n-1], F[n](x[n-1])) + F[n](x[n-1])", "cannot be added"),
        ("x[n] = x[n-1] + F[n](x[n-1])[99:]", "are none"),
        ("x[n] = x[n-1] + drop(F[n](x[n-1]), 2)", "0 <= rate <= 1"),
        ("x[n] = x[n-1] + F[n](x[n-1]); F = basik", "did you mean 'basic'"),
        ("x[n] = x[n-1] + bernoulli(3) * F[n](x[n-1])", "a probability"),
        ('x[n] = x[n-1] + learn(2, constraint="sigmoid") * F[n](x[n-1])', "must start there"),
    ],
)
def test_shapes_and_numbers_that_do_not_fit_say_so(text: str, words: str) -> None:
    """What binds but makes no network is refused with the law and the place."""
    with pytest.raises(InputError, match=words):
        _ = Architecture(bind(text), SMALL, IMAGE, 10).plan


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"widths": (8, 16), "depths": (2,)}, "one width, depth and stride a stage"),
        ({"widths": (8,), "depths": (0,)}, "at least 1"),
        ({"widths": (8,), "depths": (1,), "transform": "basik"}, "did you mean 'basic'"),
        ({"widths": (6,), "depths": (1,), "transform": "bottleneck"}, "a multiple of 1"),
    ],
)
def test_a_backbone_says_what_is_wrong_with_it(settings: dict[str, Any], words: str) -> None:
    """Backbones are checked where they are made."""
    with pytest.raises(InputError, match=words):
        Backbone(**settings)


def test_backbones_by_name() -> None:
    """Published backbones have names, cifar-resnets of every depth 6n + 2; a misspelt one lists the nearest."""
    assert sum(backbone("cifar-resnet-1202").depths) == 600
    with pytest.raises(InputError, match="6n"):
        backbone("cifar-resnet-21")
    with pytest.raises(InputError, match="did you mean 'resnet50'"):
        backbone("resnet5")
