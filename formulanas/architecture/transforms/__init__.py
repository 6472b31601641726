"""Residual functions (transforms) by name, each a sequence of layers from one number of channels to another."""

from formulanas.architecture.transforms.cells import CELL_TRANSFORMS
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

__all__ = ["PREACTIVATED", "TRANSFORMS", "Style", "Transform"]

TRANSFORMS: dict[str, Transform] = {
    "basic": basic,
    "bottleneck": bottleneck,
    "preactivation": preactivation,
    "preactivation_bottleneck": preactivation_bottleneck,
    "resnext_paths": resnext_paths,
    "resnext_joined": resnext_joined,
    "res2net": res2net,
    "mbconv": mbconv,
    "inception": inception,
    "dense": dense,
    "gate": gate,
    **CELL_TRANSFORMS,
}

PREACTIVATED = frozenset({"preactivation", "preactivation_bottleneck", "dense"})  # those that begin with their norm
