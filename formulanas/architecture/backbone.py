"""Backbones: the stem, the stages and the head that a formula is unrolled over, and the published ones by name."""

import re
from dataclasses import dataclass

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
from formulanas.architecture.transforms import TRANSFORMS
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
        if "bottleneck" in self.transform and any(width % 4 for width in self.widths):
            raise InputError(f"the widths of bottleneck stages are multiples of 4, but got {self.widths}")

    @property
    def stages(self) -> tuple[int, ...]:
        """The stage, counted from 1, of each block."""
        return tuple(stage for stage, depth in enumerate(self.depths, 1) for _ in range(depth))

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
        layers: Layers = (Conv(channels, width, kernel, stride),)
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


BACKBONES = {
    "resnet18": _resnet((2, 2, 2, 2)),
    "resnet34": _resnet((3, 4, 6, 3)),
    "resnet50": _resnet((3, 4, 6, 3), "bottleneck"),
    "resnet101": _resnet((3, 4, 23, 3), "bottleneck"),
    "resnet152": _resnet((3, 8, 36, 3), "bottleneck"),
} | {f"cifar-resnet-{6 * n + 2}": Backbone((16, 32, 64), (n, n, n)) for n in (3, 5, 7, 9, 18)}


def backbone(name: str) -> Backbone:
    """The backbone `name`: a published one, or `cifar-resnet-N` of any depth N = 6n + 2."""
    if name in BACKBONES:
        return BACKBONES[name]
    if match := re.fullmatch(r"cifar-resnet-(\d{1,5})", name):
        count, rest = divmod(int(match[1]) - 2, 6)
        if rest or count < 1:
            raise InputError(f"a cifar-resnet has 6n + 2 layers, such as 20 or 110, but got {match[1]}")
        return Backbone((16, 32, 64), (count, count, count))
    raise InputError(unknown_name("backbone", name, BACKBONES))
