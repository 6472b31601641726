"""From a binding to the architecture that is trained: its blocks, and as wide as the budget says."""

from collections.abc import Mapping
from typing import Any

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.budget import fit_width
from formulanas.formula.bind import Value
from formulanas.records import to_plain
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.proxy import Proxy

CHANGEABLE = ("widths", "depths", "stem_width")


def candidate(document: SpaceDocument, proxy: Proxy, values: Mapping[str, Value]) -> Architecture:
    """The architecture of a binding over the proxy's backbone. Raises InputError where there is none."""
    space, budget = document.space, document.budget
    architecture = proxy.architecture(space.bind(values), space.backbone(values, proxy.backbone))
    if budget.params is not None:
        return fit_width(architecture, "params", budget.params)
    return architecture if budget.macs is None else fit_width(architecture, "macs", budget.macs)


def backbone_changes(base: Backbone, backbone: Backbone) -> dict[str, Any] | None:
    """What differs from the proxy's backbone, as a trial's document keeps it; None where nothing does."""
    changed = {name: value for name in CHANGEABLE if (value := getattr(backbone, name)) != getattr(base, name)}
    return to_plain(changed) if changed else None
