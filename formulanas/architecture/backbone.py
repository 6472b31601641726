"""A backbone: the stem, the stages and the head that a formula is unrolled over."""

import math
from dataclasses import dataclass, replace

from formulanas.architecture.layers import (
    ACTIVATIONS,
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
    stem_norm: bool | None = None  # None: where transforms do not begin with their norm
    shortcut_norm: bool | None = None  # of projections; None: where transforms do not begin with theirs
    head_width: int | None = None  # of a 1x1 convolution before the pooling; None: no convolution
    conv_bias: bool = False
    ratio: float = 0.25  # of a bottleneck's inside to its output
    cardinality: int = 1  # groups of a bottleneck's 3x3 convolution
    scale: int = 4  # groups of channels of Res2Net
    kernels: tuple[int, ...] | None = None  # of MBConv, one a stage; None: 3
    expansions: tuple[int, ...] | None = None  # of MBConv, one a stage; None: 6
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
        for name in ("kernels", "expansions"):
            values: tuple[int, ...] | None = getattr(self, name)
            if values is not None and (len(values) != len(self.widths) or min(values) < 1):
                raise InputError(f"{name} are positive, one a stage, but got {values} (backbone.{name})")
        if min(*self.widths, *self.depths, *self.strides) < 1 or sum(self.depths) > MAX_BLOCKS:
            raise InputError(
                f"widths, depths and strides are at least 1, and blocks at most {MAX_BLOCKS}, but got {self}"
            )
        if self.growth < 1 or not 0 < self.compression <= 1:
            raise InputError(f"1 <= growth, 0 < compression <= 1 must hold, but got {self.growth}, {self.compression}")
        for setting, name, known in (
            ("transform", self.transform, TRANSFORMS),
            ("activation", self.activation, ACTIVATIONS),
        ):
            if name not in known:
                raise InputError(unknown_name(setting, name, known) + f" (backbone.{setting})")
        if (unit_of := TRANSFORMS[self.transform].unit) is not None:
            unit = unit_of(self.styles[0])
            for width in self.widths:
                if width * self.ratio != round(width * self.ratio) or width * self.ratio % unit or self.ratio <= 0:
                    law = f"the inside of a {self.transform}, its width times {self.ratio}, is a multiple of {unit}"
                    raise InputError(f"{law}, but the widths are {self.widths} (backbone.ratio, cardinality, scale)")

    def scaled(self, width: float, depth: float) -> "Backbone":
        """With as many times the channels, to the nearest multiple of 8 that loses no more than a tenth, and blocks."""

        def wider(channels: int) -> int:
            rounded = max(8, int(channels * width + 4) // 8 * 8)
            return rounded + 8 if rounded < 0.9 * channels * width else rounded

        return replace(
            self,
            widths=tuple(wider(each) for each in self.widths),
            depths=tuple(math.ceil(each * depth - 1e-9) for each in self.depths),
            stem_width=None if self.stem_width is None else wider(self.stem_width),
            head_width=None if self.head_width is None else wider(self.head_width),
        )

    @property
    def stages(self) -> tuple[int, ...]:
        """The stage, counted from 1, of each block."""
        return tuple(stage for stage, depth in enumerate(self.depths, 1) for _ in range(depth))

    @property
    def styles(self) -> tuple[Style, ...]:
        """What the transforms of each stage share."""
        kernels = self.kernels or (3,) * len(self.widths)
        expansions = self.expansions or (6,) * len(self.widths)
        common = self.activation, self.conv_bias, self.ratio, self.cardinality, self.scale
        return tuple(Style(*common, *each) for each in zip(kernels, expansions, strict=True))

    @property
    def preactivated(self) -> bool:
        """Whether transforms begin with their norm, so that the head needs one and the stem has none."""
        return TRANSFORMS[self.transform].is_preactivated

    @property
    def projects_with_norm(self) -> bool:
        """Whether projections end in a norm, which those of pre-activation networks do not (1603.05027, 1605.07146)."""
        return not self.preactivated if self.shortcut_norm is None else self.shortcut_norm

    def stem(self, image: Shape) -> Layers:
        """The layers before the first block."""
        channels, size, _ = image
        large = size >= LARGE_IMAGE
        width = self.widths[0] if self.stem_width is None else self.stem_width
        kernel = (7 if large else 3) if self.stem_kernel is None else self.stem_kernel
        stride = (2 if large else 1) if self.stem_stride is None else self.stem_stride
        layers: Layers = (Conv(channels, width, kernel, stride, bias=self.conv_bias),)
        if not self.preactivated if self.stem_norm is None else self.stem_norm:
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
        layers: Layers = (BatchNorm(channels), Activation(self.activation)) if self.preactivated else ()
        if self.head_width is not None:
            norm = (BatchNorm(self.head_width), Activation(self.activation))
            layers += (Conv(channels, self.head_width, 1, bias=self.conv_bias), *norm)
        return (*layers, GlobalAveragePool(), Linear(self.head_width or channels, num_classes))


def compound_scaled(base: Backbone, size: int, phi: float) -> tuple[Backbone, int]:
    """`base` and the side of its images, scaled together by one number (Tan and Le 2019, 1905.11946, eq. 3).

    Depth grows by 1.2, width by 1.1 and resolution by 1.15 to the power of `phi`, the work by about 2 to that power.
    """
    return base.scaled(width=1.1**phi, depth=1.2**phi), round(size * 1.15**phi)
