"""The published backbones by name."""

import re
from dataclasses import replace
from typing import Any

from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError, unknown_name


def _resnet(depths: tuple[int, ...], transform: str = "basic") -> Backbone:
    expansion = 4 if transform == "bottleneck" else 1
    widths = tuple(width * expansion for width in (64, 128, 256, 512))
    return Backbone(widths, depths, transform=transform, stem_width=64)


def _seresnet(depths: tuple[int, ...], transform: str = "basic") -> Backbone:
    """With biased convolutions, which Table 8 of 2108.08689 counts."""
    return replace(_resnet(depths, transform), squeeze=16, conv_bias=True)


def _wider_bottlenecks(depths: tuple[int, ...], ratio: float, **settings: Any) -> Backbone:
    """Bottlenecks of the widths of ResNet-50, `ratio` of them wide inside."""
    return replace(_resnet(depths, "bottleneck"), ratio=ratio, **settings)


def _resnext29(cardinality: int, width: int) -> Backbone:
    """Three stages whose outputs are twice as wide as their groups together, as Table 8 of 2108.08689 counts."""
    outputs = tuple(2 * cardinality * width * factor for factor in (1, 2, 4))
    return Backbone(outputs, (3, 3, 3), transform="bottleneck", stem_width=64, ratio=0.5, cardinality=cardinality)


def _resnext29_of_the_paper(cardinality: int, width: int) -> Backbone:
    """Three stages with outputs of 256, 512 and 1024 channels, whatever the groups (Xie et al. 2016, 1611.05431)."""
    ratio = cardinality * width / 256
    widths = (256, 512, 1024)
    return Backbone(widths, (3, 3, 3), transform="bottleneck", stem_width=64, ratio=ratio, cardinality=cardinality)


def _densenet(depths: tuple[int, ...], growth: int, stem_norm: bool | None = None) -> Backbone:
    """Bottlenecks of 4 growth channels, half of the channels kept between stages (DenseNet-BC, 1608.06993)."""
    return Backbone(
        (2 * growth,) * len(depths),
        depths,
        transform="dense",
        growth=growth,
        stem_norm=stem_norm,
    )


def _preactivated_bottlenecks(depth: int) -> Backbone:
    """Of 9 x depth + 2 layers, for CIFAR (He et al. 2016, 1603.05027)."""
    return Backbone((64, 128, 256), (depth,) * 3, transform="preactivation_bottleneck", stem_width=16)


EFFICIENTNET_B0 = Backbone(  # Tan and Le 2019, 1905.11946, table 1
    widths=(16, 24, 40, 80, 112, 192, 320),
    depths=(1, 2, 2, 3, 3, 4, 1),
    strides=(1, 2, 2, 2, 1, 2, 1),
    transform="mbconv",
    activation="silu",
    stem_width=32,
    stem_kernel=3,
    stem_pool=False,
    head_width=1280,
    kernels=(3, 3, 5, 3, 5, 5, 3),
    expansions=(1, 6, 6, 6, 6, 6, 6),
)


def _res2next29(cardinality: int, width: int, scale: int) -> Backbone:
    """Three stages with outputs of 4 width x scale, as Table 8 of 2108.08689 counts."""
    outputs = tuple(4 * width * scale * factor for factor in (1, 2, 4))
    return Backbone(
        outputs,
        (3, 3, 3),
        transform="res2net",
        stem_width=width * scale,
        ratio=cardinality / 4,
        cardinality=cardinality,
        scale=scale,
    )


BACKBONES = {
    "resnet18": _resnet((2, 2, 2, 2)),
    "resnet34": _resnet((3, 4, 6, 3)),
    "resnet50": _resnet((3, 4, 6, 3), "bottleneck"),
    "resnet101": _resnet((3, 4, 23, 3), "bottleneck"),
    "resnet152": _resnet((3, 8, 36, 3), "bottleneck"),
    "seresnet18": _seresnet((2, 2, 2, 2)),
    "seresnet34": _seresnet((3, 4, 6, 3)),
    "seresnet50": _seresnet((3, 4, 6, 3), "bottleneck"),
    "seresnet101": _seresnet((3, 4, 23, 3), "bottleneck"),
    "resnext29-2x64d": _resnext29(2, 64),
    "resnext29-4x64d": _resnext29(4, 64),
    "res2next29-6c24w4s": _res2next29(6, 24, 4),
    "res2next29-8c25w4s": _res2next29(8, 25, 4),
    "resnext29-1x64d": _resnext29_of_the_paper(1, 64),
    "resnext29-8x64d": _resnext29_of_the_paper(8, 64),
    "resnext29-16x64d": _resnext29_of_the_paper(16, 64),
    "resnext50-32x4d": _wider_bottlenecks((3, 4, 6, 3), 0.5, cardinality=32),
    "resnext101-32x4d": _wider_bottlenecks((3, 4, 23, 3), 0.5, cardinality=32),
    "resnext101-64x4d": _wider_bottlenecks((3, 4, 23, 3), 1, cardinality=64),
    "res2net50-26w4s": _wider_bottlenecks((3, 4, 6, 3), 104 / 256, transform="res2net", scale=4),
    "preact-resnet50": _wider_bottlenecks((3, 4, 6, 3), 0.25, transform="preactivation_bottleneck"),
    "preact-164": _preactivated_bottlenecks(18),
    # 1609.05672: its table II has 24 and 30 layers, of 11 and 14 blocks; its tables III and IV bottlenecks and ImageNet
    "preact-24": Backbone((16, 32, 64), (4, 4, 3), transform="preactivation"),
    "preact-30": Backbone((16, 32, 64), (5, 4, 5), transform="preactivation"),
    "preact-bottleneck-200": _preactivated_bottlenecks(22),
    "preact-bottleneck-398": _preactivated_bottlenecks(44),
    "preact-resnet18": replace(_resnet((2, 2, 2, 2)), transform="preactivation"),
    "preact-resnet34": replace(_resnet((3, 4, 6, 3)), transform="preactivation"),
    "preact-resnet101": _wider_bottlenecks((3, 4, 23, 3), 0.25, transform="preactivation_bottleneck"),
    "preact-resnet200": _wider_bottlenecks((3, 24, 36, 3), 0.25, transform="preactivation_bottleneck"),
    # the Keras example of 2018, over which accumulated networks are built: biased, projections without norm
    "keras-resnet32": Backbone((16, 32, 64), (5, 5, 5), conv_bias=True, shortcut_norm=False),
    "densenet-100": _densenet((16, 16, 16), 12),
    "densenet-121": _densenet((6, 12, 24, 16), 32, stem_norm=True),
    "efficientnet-b0": EFFICIENTNET_B0,
    "wrn-28-10": Backbone((160, 320, 640), (4, 4, 4), transform="preactivation", stem_width=16),
} | {f"cifar-resnet-{6 * n + 2}": Backbone((16, 32, 64), (n, n, n)) for n in (3, 5, 7, 9, 18)}


def backbone(name: str) -> Backbone:
    """The backbone `name`: a published one, or `cifar-resnet-N` or `preact-N` of any depth N.

    Networks of 6n + 2 layers have two convolutions a block; `preact-N` of 9n + 2 layers bottlenecks of three.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if match := re.fullmatch(r"(cifar-resnet|preact)-(\d{1,5})", name):
        family, layers = match[1], int(match[2]) - 2
        if layers >= 6 and layers % 6 == 0:
            transform = "basic" if family == "cifar-resnet" else "preactivation"
            return Backbone((16, 32, 64), (layers // 6,) * 3, transform=transform)
        if family == "preact" and layers >= 9 and layers % 9 == 0:
            return _preactivated_bottlenecks(layers // 9)
        allowed = "6n + 2" + (" or 9n + 2" if family == "preact" else "")
        raise InputError(f"a {family} has {allowed} layers, such as 20 or 110, but got {match[2]}")
    raise InputError(unknown_name("backbone", name, BACKBONES))
