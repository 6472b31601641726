"""Architectures and networks: published counts, and that what is planned is what is built."""

import pytest
import torch
from hypothesis import given, settings
from strategies import linear_formulas

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone, backbone
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula, published
from formulanas.network.network import build

SMALL = Backbone(widths=(8, 16), depths=(2, 2))
IMAGE = (3, 16, 16)
# Liao et al., 2108.08689, Table 8, to the last parameter: CIFAR-100, ResNet and ResNet-s; GMACs at 32 x 32
TABLE_8 = {
    "resnet18": (11_220_132, 0.5555, 11_393_956, 0.5618),
    "resnet34": (21_328_292, 1.1594, 21_502_116, 1.1657),
    "resnet50": (23_705_252, 1.2980, 26_481_828, 1.4155),
    "resnet101": (42_697_380, 2.5102, 45_473_956, 2.6276),
    "seresnet18": (11_314_012, 0.5556, 11_488_732, 0.5618),
    "seresnet34": (21_498_000, 1.1596, 21_672_720, 1.1659),
    "seresnet50": (26_262_804, 1.3005, 29_043_220, 1.4180),
    "seresnet101": (47_527_764, 2.5149, 50_308_180, 2.6324),
    "resnext29-2x64d": (9_222_564, 1.4112, 9_897_892, 1.4950),
    "resnext29-4x64d": (27_290_532, 4.2298, 29_951_908, 4.5318),
    "res2next29-6c24w4s": (33_101_860, 5.4115, 34_618_660, 5.6002),
    "res2next29-8c25w4s": (47_269_200, 7.7597, 48_914_800, 7.9645),
}


@pytest.mark.parametrize("name", TABLE_8)
def test_table_8_of_the_resnet_s_paper(name: str) -> None:
    """ResNet and ResNet-s have the paper's parameters exactly, and its multiply-accumulates to the digits given."""
    params, gmacs, params_s, gmacs_s = TABLE_8[name]
    for formula, expected in (("resnet", (params, gmacs)), ("resnet-s", (params_s, gmacs_s))):
        plan = Architecture(bind_formula(formula), backbone(name), (3, 32, 32), 100).plan
        assert plan.num_params == expected[0]
        assert plan.macs / 1e9 == pytest.approx(expected[1], abs=6e-5)


@pytest.mark.parametrize(
    ("name", "params"), [("cifar-resnet-20", 269_722 + 2_752), ("cifar-resnet-110", 1_727_962 + 2_752)]
)
def test_cifar_resnets_of_he_et_al(name: str, params: int) -> None:
    """0.27 M and 1.7 M (He et al., Table 6) with shortcuts of type A; type B adds two projections: 2,752 parameters."""
    assert Architecture(bind_formula("resnet"), backbone(name), (3, 32, 32), 10).plan.num_params == params
    padded = bind(published("resnet").formula + "; shape = pad")
    assert Architecture(padded, backbone(name), (3, 32, 32), 10).plan.num_params == params - 2_752


@pytest.mark.parametrize(
    ("name", "params", "gmacs"), [("resnet18", 11_689_512, 1.814), ("resnet50", 25_557_032, 4.089)]
)
def test_imagenet_resnets_have_the_large_stem(name: str, params: int, gmacs: float) -> None:
    """The counts that torchvision documents for ImageNet: 11.69 M and 25.56 M parameters, 1.81 and 4.09 GMACs."""
    plan = Architecture(bind_formula("resnet"), backbone(name), (3, 224, 224), 1000).plan
    assert plan.num_params == params
    assert plan.macs / 1e9 == pytest.approx(gmacs, rel=2e-3)


@pytest.mark.parametrize("transform", ["basic", "bottleneck", "preactivation", "preactivation_bottleneck", "res2net"])
@pytest.mark.parametrize(
    "name", ["resnet", "resnet-s", "accumulated", "highway", "poly-2", "momentum", "resnet-s-listing"]
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
    x = part("stem")(images)
    f, first = None, True
    for stage in (1, 2):
        for block in (1, 2):
            shortcut, cached = x, f
            if stage == 2 and block == 1:
                shortcut, cached = part("stage2_carry_x")(x), part("stage2_carry_f1")(f)
            new = part(f"stage{stage}_block{block}_F")(x)
            x = torch.relu(shortcut + new)
            x = x if first else x - cached
            f, first = new, False
    return part("head")(x)


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
    alive, most = set(), 0
    for line in source.splitlines()[1:-1]:
        if line.strip().startswith("del "):
            alive -= set(line.replace("del", "").replace(" ", "").split(","))
        else:
            alive.add(line.split("=")[0].strip())
            most = max(most, len(alive))
    assert most <= 3


@pytest.mark.parametrize(
    ("name", "formula", "params"),
    [
        ("wrn-28-10", "preact-resnet", 36_479_194),  # 36.5 M (Zagoruyko and Komodakis, 1605.07146)
        ("preact-110", "preact-resnet; pad", 1_727_962),  # 1.728 M (1609.05672, table I)
    ],
)
def test_preactivated_networks(name: str, formula: str, params: int) -> None:
    """Wide and pre-activation networks have their papers' parameters."""
    text = published("preact-resnet").formula + ("; shape = pad" if formula.endswith("pad") else "")
    assert Architecture(bind(text), backbone(name), (3, 32, 32), 10).plan.num_params == params


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
def test_a_backbone_says_what_is_wrong_with_it(settings: dict[str, object], words: str) -> None:
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
