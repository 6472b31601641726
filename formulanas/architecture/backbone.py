"""Backbones: the stem, the stages and the head that a formula is unrolled over, and the published ones by name."""

import re
from dataclasses import dataclass, replace

from formulanas.architecture.layers import (
    Activation,
    BatchNorm,
    Conv,
    GlobalAveragePool,
    Layers,
    Linear,
    MaxPool,
    Shape,
    out_shape,
    strided,
)
from formulanas.architecture.transforms import TRANSFORMS, Style
from formulanas.errors import InputError, unknown_name

LARGE_IMAGE = 64  # pixels a side from which a stem reduces the resolution fourfold
MAX_BLOCKS = 2_000


@dataclass(frozen=True)
class Backbone:
    """Stages of `depths` blocks, each `widths` channels wide at its output, entered with `strides`.

    A stem value of None follows the images: 3x3 for small ones, 7x7 with stride 2 and max pooling for large ones.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    strides: tuple[int, ...] | None = None  # None: 1 for the first stage, 2 for each other
    transform: str = "basic"
    activation: str = "relu"
    stem_width: int | None = None  # None: the width of the first stage
    stem_kernel: int | None = None
    stem_stride: int | None = None
    stem_pool: bool | None = None
    conv_bias: bool = False
    ratio: float = 0.25  # of a bottleneck's inside to its output
    cardinality: int = 1  # groups of a bottleneck's 3x3 convolution
    scale: int = 4  # groups of channels of Res2Net
    squeeze: int | None = None  # the reduction of squeeze-and-excitation after every transform
    growth: int = 12  # channels that a concatenated transform adds
    compression: float = 0.5  # of concatenated channels where the resolution changes (DenseNet, 1608.06993)

    def __post_init__(self) -> None:
        if self.strides is None:
            object.__setattr__(self, "strides", (1,) + (2,) * (len(self.widths) - 1))
        assert self.strides is not None
        if not len(self.widths) == len(self.depths) == len(self.strides) >= 1:
            lengths = f"{len(self.widths)} widths, {len(self.depths)} depths and {len(self.strides)} strides"
            raise InputError(f"a backbone has one width, depth and stride a stage, but got {lengths}")
        if min(*self.widths, *self.depths, *self.strides) < 1 or sum(self.depths) > MAX_BLOCKS:
            raise InputError(
                f"widths, depths and strides are at least 1, and blocks at most {MAX_BLOCKS}, but got {self}"
            )
        if self.growth < 1 or not 0 < self.compression <= 1:
            raise InputError(f"1 <= growth, 0 < compression <= 1 must hold, but got {self.growth}, {self.compression}")
        if self.transform not in TRANSFORMS:
            raise InputError(unknown_name("transform", self.transform, TRANSFORMS) + " (backbone.transform)")
        if "bottleneck" in self.transform or self.transform == "res2net":
            unit = self.cardinality * (self.scale if self.transform == "res2net" else 1)
            for width in self.widths:
                if width * self.ratio != round(width * self.ratio) or width * self.ratio % unit or self.ratio <= 0:
                    law = f"the inside of a {self.transform}, its width times {self.ratio}, is a multiple of {unit}"
                    raise InputError(f"{law}, but the widths are {self.widths} (backbone.ratio, cardinality, scale)")

    @property
    def stages(self) -> tuple[int, ...]:
        """The stage, counted from 1, of each block."""
        return tuple(stage for stage, depth in enumerate(self.depths, 1) for _ in range(depth))

    @property
    def style(self) -> Style:
        """What its transforms share."""
        return Style(self.activation, self.conv_bias, self.ratio, self.cardinality, self.scale)

    @property
    def preactivated(self) -> bool:
        """Whether transforms begin with their norm, so that the head needs one and the stem has none."""
        return self.transform.startswith("preactivation")

    def stem(self, image: Shape) -> Layers:
        """The layers before the first block."""
        channels, size, _ = image
        large = size >= LARGE_IMAGE
        width = self.widths[0] if self.stem_width is None else self.stem_width
        kernel = (7 if large else 3) if self.stem_kernel is None else self.stem_kernel
        stride = (2 if large else 1) if self.stem_stride is None else self.stem_stride
        layers: Layers = (Conv(channels, width, kernel, stride, bias=self.conv_bias),)
        if not self.preactivated:
            layers += (BatchNorm(width), Activation(self.activation))
        pool = large if self.stem_pool is None else self.stem_pool
        return (*layers, MaxPool(3, 2)) if pool else layers

    def stage_shapes(self, image: Shape) -> tuple[Shape, ...]:
        """The shape of the stem's output, then of each stage's."""
        assert self.strides is not None
        shapes = [out_shape(self.stem(image), image)]
        for width, stride in zip(self.widths, self.strides, strict=True):
            _, height, breadth = shapes[-1]
            shapes.append((width, strided(height, stride), strided(breadth, stride)))
        return tuple(shapes)

    def head(self, channels: int, num_classes: int) -> Layers:
        """The layers after the last block, whose state has `channels` channels."""
        norm: Layers = (BatchNorm(channels), Activation(self.activation)) if self.preactivated else ()
        return (*norm, GlobalAveragePool(), Linear(channels, num_classes))


def _resnet(depths: tuple[int, ...], transform: str = "basic") -> Backbone:
    expansion = 4 if transform == "bottleneck" else 1
    widths = tuple(width * expansion for width in (64, 128, 256, 512))
    return Backbone(widths, depths, transform=transform, stem_width=64)


def _seresnet(depths: tuple[int, ...], transform: str = "basic") -> Backbone:
    """With biased convolutions, which Table 8 of 2108.08689 counts."""
    return replace(_resnet(depths, transform), squeeze=16, conv_bias=True)


def _resnext29(cardinality: int, width: int) -> Backbone:
    """Three stages whose outputs are twice as wide as their groups together, as Table 8 of 2108.08689 counts."""
    outputs = tuple(2 * cardinality * width * factor for factor in (1, 2, 4))
    return Backbone(outputs, (3, 3, 3), transform="bottleneck", stem_width=64, ratio=0.5, cardinality=cardinality)


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
            return Backbone((64, 128, 256), (layers // 9,) * 3, transform="preactivation_bottleneck", stem_width=16)
        allowed = "6n + 2" + (" or 9n + 2" if family == "preact" else "")
        raise InputError(f"a {family} has {allowed} layers, such as 20 or 110, but got {match[2]}")
    raise InputError(unknown_name("backbone", name, BACKBONES))
