"""The screen before any training: what a candidate costs and how it grows, against the limits of the space."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from formulanas.analysis.growth import growth
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.variance import variance
from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.search.screening.candidate import backbone_changes, candidate
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.settings import Limits

NUM_DRAWS = 1 << 11  # for the variance, whose limit is a matter of orders of magnitude


@dataclass(frozen=True)
class Figures:
    """What is known of a candidate before it is trained, None where it cannot be predicted.

    `growth` is per block, `variance` that of the state after the last block, at initialisation.
    """

    params: int
    macs: int
    growth: float | None
    variance: float | None


@dataclass(frozen=True)
class Screened:
    """A candidate with its figures; `reason` is the first limit of the space that it exceeds, empty where it keeps all.

    `changes` is what differs from the proxy's backbone.
    """

    architecture: Architecture
    figures: Figures
    changes: dict[str, Any] | None
    reason: str


def screen(document: SpaceDocument, proxy: Proxy, values: Mapping[str, Value]) -> Screened:
    """The candidate of a binding, screened. Raises InputError where no network can be built from it."""
    architecture = candidate(document, proxy, values)
    known = figures(architecture)
    changes = backbone_changes(proxy.backbone, architecture.backbone)
    return Screened(architecture, known, changes, reason_to_reject(known, document.limits))


def figures(architecture: Architecture) -> Figures:
    """The figures of an architecture. Raises InputError where no network can be built from it."""
    plan, recursion = architecture.plan, architecture.recursion
    try:
        last = variance(architecture, num_draws=NUM_DRAWS).blocks[-1]
    except InputError:
        last = None
    return Figures(plan.num_params, plan.macs, growth(recursion), last)


def reason_to_reject(candidate: Figures, limits: Limits) -> str:
    """The first limit that a candidate exceeds, in words; empty where it keeps them all."""
    if limits.params is not None and candidate.params > limits.params:
        return f"{candidate.params:,} parameters, at most {limits.params:,} allowed"
    if limits.macs is not None and candidate.macs > limits.macs:
        return f"{candidate.macs:,} multiply-accumulates, at most {limits.macs:,} allowed"
    if limits.growth is not None and candidate.growth is not None and candidate.growth > limits.growth + 1e-6:
        return f"the state grows by {candidate.growth:.3f} per block, at most {limits.growth:g} allowed"
    if limits.variance is not None and candidate.variance is not None and candidate.variance > limits.variance:
        return f"the state begins with a variance of {candidate.variance:.3g}, at most {limits.variance:g} allowed"
    return ""
