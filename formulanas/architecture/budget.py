"""Equal budgets: the width at which an architecture has as many parameters, or multiply-accumulates, as asked for."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.transforms import find_transform
from formulanas.errors import InputError

TOLERANCE = 0.02  # of the budget
MAX_STEPS = 40
Measure = Literal["params", "macs"]


def fit_width(architecture: Architecture, measure: Measure, budget: int) -> Architecture:
    """`architecture` with its widths scaled together until `measure` is within 2 % of `budget`.

    The ratios of the widths are kept up to rounding, then single stages give way; the stem follows the first
    stage as in the backbone. Raises InputError where no width comes near enough.
    """
    unit = _unit(architecture)
    low, high = 0.0, 1.0
    while _cost(_scaled(architecture, high, unit), measure) < budget and high < 1024:
        low, high = high, 2 * high
    best, error = architecture, float("inf")
    for _ in range(MAX_STEPS):
        middle = (low + high) / 2
        candidate = _scaled(architecture, middle, unit)
        cost = _cost(candidate, measure)
        if abs(cost / budget - 1) < error:
            best, error = candidate, abs(cost / budget - 1)
        if error <= TOLERANCE / 4 or high - low < 1e-3 * high:
            break
        low, high = (middle, high) if cost < budget else (low, middle)
    improved = True
    while error > TOLERANCE and improved:  # the widths are coarse: single stages give way
        improved = False
        for candidate in _neighbours(best, unit):
            cost = _cost(candidate, measure)
            if abs(cost / budget - 1) < error:
                best, error, improved = candidate, abs(cost / budget - 1), True
    if error > TOLERANCE:
        raise InputError(
            f"no width gives {measure} within {TOLERANCE:.0%} of {budget:,}: the nearest, "
            f"{'-'.join(map(str, best.backbone.widths))}, has {_cost(best, measure):,} (budget)"
        )
    return best


def _cost(architecture: Architecture, measure: Measure) -> int:
    return architecture.plan.num_params if measure == "params" else architecture.plan.macs


def _unit(architecture: Architecture) -> int:
    """What every width must be a multiple of, so that bottlenecks, groups and splits of a transform come out even."""
    backbone = architecture.backbone
    unit_of = find_transform("F", architecture.recursion.kind("F") or backbone.transform).unit
    if unit_of is None:
        return 1
    parts = unit_of(backbone.styles[0])
    return next(unit for unit in range(1, 4097) if unit * backbone.ratio % parts == 0)


def _scaled(architecture: Architecture, factor: float, unit: int) -> Architecture:
    backbone = architecture.backbone
    widths = tuple(max(1, round(width * factor / unit)) * unit for width in backbone.widths)
    stem = None if backbone.stem_width is None else max(1, round(backbone.stem_width * factor))
    return replace(architecture, backbone=replace(backbone, widths=widths, stem_width=stem))


def _neighbours(architecture: Architecture, unit: int) -> Iterator[Architecture]:
    """The architectures with stages a unit wider or narrower."""
    for changes in itertools.product((-unit, 0, unit), repeat=len(architecture.backbone.widths)):
        widths = tuple(width + change for width, change in zip(architecture.backbone.widths, changes, strict=True))
        if min(widths) >= unit:
            yield replace(architecture, backbone=replace(architecture.backbone, widths=widths))
