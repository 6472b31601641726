"""Residual functions (transforms) by name, each a sequence of layers from one number of channels to another."""

from formulanas.architecture.transforms.cells import CELL_LAYOUTS
from formulanas.architecture.transforms.inception import inception
from formulanas.architecture.transforms.mbconv import mbconv
from formulanas.architecture.transforms.res2net import res2net
from formulanas.architecture.transforms.residual import (
    basic,
    bottleneck,
    dense,
    gate,
    preactivation,
    preactivation_bottleneck,
)
from formulanas.architecture.transforms.resnext import resnext_joined, resnext_paths
from formulanas.architecture.transforms.style import Style, Transform
from formulanas.errors import InputError, unknown_name

__all__ = ["TRANSFORMS", "Style", "Transform", "find_transform"]


def _groups(style: Style) -> int:
    return style.cardinality


TRANSFORMS: dict[str, Transform] = {
    "basic": Transform(basic),
    "bottleneck": Transform(bottleneck, _groups),
    "preactivation": Transform(preactivation, is_preactivated=True),
    "preactivation_bottleneck": Transform(preactivation_bottleneck, _groups, is_preactivated=True),
    "resnext_paths": Transform(resnext_paths, _groups),
    "resnext_joined": Transform(resnext_joined, _groups),
    "res2net": Transform(res2net, lambda style: style.cardinality * style.scale),
    "mbconv": Transform(mbconv, is_gated=True),
    "inception": Transform(inception),
    "dense": Transform(dense, is_preactivated=True),
    "gate": Transform(gate, is_gated=True),
    **{name: Transform(layout) for name, layout in CELL_LAYOUTS.items()},
}


def find_transform(name: str, kind: str) -> Transform:
    """The transform that `name` in a formula is, of its `kind`."""
    if kind not in TRANSFORMS:
        raise InputError(f"{name} = {kind}: {unknown_name('transform', kind, TRANSFORMS)}")
    return TRANSFORMS[kind]
