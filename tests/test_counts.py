"""Parameters and multiply-accumulates of published networks, as their papers and libraries give them."""

from dataclasses import dataclass, replace

import pytest
from published_counts import TABLE_8

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import EFFICIENTNET_B0, backbone
from formulanas.formula.bind import bind
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.published import bind_formula

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
RESNET, RESNET_S = bind_formula("resnet"), bind_formula("resnet-s")
PREACTIVATED = bind("x[n] = x[n-1] + F[n](x[n-1])")


@dataclass(frozen=True)
class Published:
    """A network and its counts: parameters exactly, or in millions to the digits given; GMACs to 0.5 %."""

    name: str
    recursion: BoundRecursion
    backbone: Backbone
    classes: int
    params: int | str
    gmacs: float | None = None

    @property
    def image(self) -> tuple[int, int, int]:
        return IMAGENET if self.classes == 1000 else CIFAR


def multi_residual(num_functions: int, shape: str) -> BoundRecursion:
    """Eq. (3) of 1609.05672; its CIFAR networks of basic blocks have padded shortcuts, all others projections."""
    text = f"x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k)); shape = {shape}"
    return bind(text, {"k": num_functions})


def preactivated(depths: tuple[int, ...], transform: str = "preactivation") -> Backbone:
    """For ImageNet."""
    return replace(
        backbone("resnet18" if transform == "preactivation" else "resnet50"), depths=depths, transform=transform
    )


# As torchvision documents them; the networks of its ResNeXt and DenseNet are those of their papers.
ON_IMAGENET = {
    "resnet18": (11_689_512, 1.814),
    "resnet34": (21_797_672, 3.664),
    "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801),
    "resnet152": (60_192_808, 11.514),
    "resnext50-32x4d": (25_028_904, 4.230),
    "resnext101-64x4d": (83_455_272, 15.460),
}

# Abdi and Nahavandi, 1609.05672, tables I to V: layers, functions a block, millions of parameters. Table II truncates
# (0.297 to 0.29, 1.075 to 1.0); 1,001 layers are printed as 10.2 M, taken from an earlier paper.
MULTI_RESIDUAL = [
    ("preact-8", 23, "1.702"),
    ("preact-14", 10, "1.713"),
    ("preact-110", 1, "1.728"),
    ("preact-68", 1, "1.047"),
    ("preact-8", 4, "0.297"),
    ("preact-20", 4, "1.075"),
    ("preact-218", 1, "3.48"),
    ("preact-434", 1, "6.98"),
    ("preact-650", 1, "10.48"),
    ("preact-110", 2, "3.45"),
    ("preact-110", 4, "6.91"),
    ("preact-110", 6, "10.36"),
]
TWENTY = backbone("preact-20")
BOTTLENECKS = backbone("preact-164")
WIDE = backbone("wrn-28-10")
KERAS = Backbone((16, 32, 64), (5, 5, 5), conv_bias=True, shortcut_norm=False)

NETWORKS = [
    *(Published(name, RESNET, backbone(name), 100, *each[:2]) for name, each in TABLE_8.items()),
    *(Published(f"{name} s", RESNET_S, backbone(name), 100, *each[2:]) for name, each in TABLE_8.items()),
    *(Published(f"{name} ImageNet", RESNET, backbone(name), 1000, *each) for name, each in ON_IMAGENET.items()),
    *(
        Published(f"multi {name} k={k}", multi_residual(k, "pad"), backbone(name), 10, params)
        for name, k, params in MULTI_RESIDUAL
    ),
    # table II: 24 layers are 26 less one block; only 14 blocks of these depths give 1.7 M
    Published("multi 24", multi_residual(1, "pad"), replace(TWENTY, depths=(4, 4, 3)), 10, "0.293"),
    Published("multi 30 k=4", multi_residual(4, "pad"), replace(TWENTY, depths=(5, 4, 5)), 10, "1.778"),
    # table III: 145 M is right, the 154 M of the released code's page a slip
    Published("preact-164", PREACTIVATED, BOTTLENECKS, 10, "1.703"),
    Published("preact-1001", PREACTIVATED, backbone("preact-1001"), 10, "10.33"),
    Published("multi 200 k=5", multi_residual(5, "project"), replace(BOTTLENECKS, depths=(22,) * 3), 10, "10.187"),
    Published("multi 398 k=5", multi_residual(5, "project"), replace(BOTTLENECKS, depths=(44,) * 3), 10, "20.388"),
    Published("multi 26 k=2 w=10", multi_residual(2, "pad"), WIDE, 10, "72.4"),
    Published("multi 26 k=4 w=10", multi_residual(4, "pad"), WIDE, 10, "144.9"),
    Published("multi 26 k=4 w=10 B", multi_residual(4, "project"), WIDE, 10, "145.1"),
    # table IV
    Published("multi 18 k=2", multi_residual(2, "project"), preactivated((2, 2, 2, 2)), 1000, "22.68"),
    Published(
        "multi 101 k=2",
        multi_residual(2, "project"),
        preactivated((3, 4, 23, 3), "preactivation_bottleneck"),
        1000,
        "84.25",
    ),
    Published("pre 34", PREACTIVATED, preactivated((3, 4, 6, 3)), 1000, "21.80"),
    Published("pre 200", PREACTIVATED, preactivated((3, 24, 36, 3), "preactivation_bottleneck"), 1000, "64.67"),
    # the accumulated network over the ResNet32v1 of the Keras example: biased convolutions, projections without norm
    Published("ResNet32v1", RESNET, KERAS, 10, 467_946),
    Published("accumulated", bind_formula("accumulated"), KERAS, 10, 469_066),
    # Xie et al., 1611.05431, table 7, and its code
    Published("resnext29-1x64d", RESNET, backbone("resnext29-1x64d"), 10, 4_914_250),
    Published("resnext29-8x64d", RESNET, backbone("resnext29-8x64d"), 10, "34.4"),
    Published("resnext29-16x64d", RESNET, backbone("resnext29-16x64d"), 10, "68.2"),  # printed as 68.1: truncated
    Published("resnext101-32x4d", RESNET, backbone("resnext101-32x4d"), 1000, 44_177_704),
    # Zagoruyko and Komodakis, 1605.07146: 36.5 M; Huang et al., 1608.06993: 0.8 M; Tan and Le, 1905.11946: 5.3 M
    Published("wrn-28-10", PREACTIVATED, WIDE, 10, 36_479_194),
    Published("densenet-100", bind_formula("densenet"), backbone("densenet-100"), 10, 769_162),
    Published("densenet-121", bind_formula("densenet"), backbone("densenet-121"), 1000, 7_978_856, 2.834),
    Published("efficientnet-b0", bind_formula("efficientnet"), EFFICIENTNET_B0, 1000, 5_288_548, 0.386),
    # Hu et al., 1709.01507: 28.1 M, convolutions without bias
    Published("seresnet50", RESNET, replace(backbone("seresnet50"), conv_bias=False), 1000, 28_088_024),
    # He et al., 1512.03385, table 6: 0.27 M and 1.7 M with padded shortcuts
    Published("cifar-resnet-20", bind(RESNET.text + "; shape = pad"), backbone("cifar-resnet-20"), 10, 269_722),
    Published("cifar-resnet-110", bind(RESNET.text + "; shape = pad"), backbone("cifar-resnet-110"), 10, 1_727_962),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_counts(network: Published) -> None:
    """Every published network has its published parameters, and its multiply-accumulates where these are certain."""
    plan = Architecture(network.recursion, network.backbone, network.image, network.classes).plan
    if isinstance(network.params, int):
        assert plan.num_params == network.params
    else:
        digits = len(network.params.partition(".")[2])
        assert f"{plan.num_params / 1e6:.{digits}f}" == network.params
    if network.gmacs is not None:
        assert plan.macs / 1e9 == pytest.approx(network.gmacs, rel=5e-3)


@pytest.mark.parametrize("name", TABLE_8)
def test_table_8_to_the_last_digit(name: str) -> None:
    """GMACs of Table 8 to the four digits known; those of ResNet-s count the projection of a history still zero."""
    for recursion, gmacs in zip((RESNET, RESNET_S), TABLE_8[name][1::2], strict=True):
        assert Architecture(recursion, backbone(name), CIFAR, 100).plan.macs / 1e9 == pytest.approx(gmacs, abs=6e-5)


def test_keras_counts_the_statistics_too() -> None:
    """472,458 with the running means and variances of 15 more norms (facts of the Keras example: 3,392 of them)."""
    layers = Architecture(bind_formula("accumulated"), KERAS, CIFAR, 10).plan.modules.values()
    norms = [layer.num_params() for each in layers for layer in each if type(layer).__name__ == "BatchNorm"]
    assert sum(norms) == 3_392


@pytest.mark.parametrize(
    ("width", "depth", "size", "params"),
    [(1.0, 1.1, 240, 7_794_184), (1.1, 1.2, 260, 9_109_994), (1.4, 1.8, 380, 19_341_616), (2.0, 3.1, 600, 66_347_960)],
)
def test_scaled_efficientnets(width: float, depth: float, size: int, params: int) -> None:
    """EfficientNet-B1, B2, B4 and B7: the multipliers of the released code, widths rounded to multiples of 8."""
    scaled = EFFICIENTNET_B0.scaled(width=width, depth=depth)
    assert Architecture(bind_formula("efficientnet"), scaled, (3, size, size), 1000).plan.num_params == params
