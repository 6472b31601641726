"""The weights of one form of ResNeXt's block as those of another: paths added, paths joined, grouped convolutions.

The three compute the same (Xie et al. 2016, 1611.05431, figure 3). Grouped convolutions are the `bottleneck` transform.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from formulanas.errors import InputError
from formulanas.network.network import Network

FORMS = ("bottleneck", "resnext_joined", "resnext_paths")
IN_PATHS = (0, 1, 3, 4)  # of the layers of a bottleneck: the first two convolutions and their norms
LAST, LAST_NORM = 6, 7


def convert_resnext(source: Network, target: Network) -> None:
    """Copies the weights and statistics of `source` into `target`, which differs from it in the form of its blocks.

    Raises InputError where either has another transform, or they differ in more.
    """
    forms = [network.architecture.backbone.transform for network in (source, target)]
    if not set(forms) <= set(FORMS):
        raise InputError(f"the forms of a ResNeXt block are {', '.join(FORMS)}, but got {' and '.join(forms)}")
    cardinality = target.architecture.backbone.cardinality
    weights: dict[str, Tensor] = {}
    for name, module in source.named_children():
        state = module.state_dict()
        if name.startswith("stage") and "_F" in name:
            grouped = _grouped(state, forms[0], cardinality)
            state = dict(_split(grouped, forms[1], cardinality))
        weights |= {f"{name}.{key}": value for key, value in state.items()}
    try:
        target.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"the two networks differ in more than the form of their blocks: {error}") from None


def _keys(layer: int, name: str, form: str, cardinality: int) -> list[str]:
    """Where a form keeps the weight `name` of a bottleneck's `layer`: one key, or one for each path."""
    if form == "bottleneck":
        return [f"{layer}.{name}"]
    if form == "resnext_joined":
        inside = [f"0.edges.{path}.0.{layer}.{name}" for path in range(cardinality)]
        return inside if layer in IN_PATHS else [f"{layer - LAST + 1}.{name}"]
    inside = [f"0.edges.0.{path}.{layer}.{name}" for path in range(cardinality)]
    return inside if layer != LAST_NORM else [f"1.{name}"]


def _grouped(state: Mapping[str, Tensor], form: str, cardinality: int) -> dict[str, Tensor]:
    """The state of a bottleneck with groups."""
    found: dict[str, Tensor] = {}
    for layer in (*IN_PATHS, LAST, LAST_NORM):
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            parts = [state[key] for key in _keys(layer, name, form, cardinality) if key in state]
            if not parts:
                continue
            if parts[0].ndim == 0:
                found[f"{layer}.{name}"] = parts[0]
            elif layer == LAST and name == "bias":
                found[f"{layer}.{name}"] = torch.stack(parts).sum(0)
            else:
                found[f"{layer}.{name}"] = torch.cat(parts, 1 if layer == LAST else 0)
    return found


def _split(grouped: Mapping[str, Tensor], form: str, cardinality: int) -> Iterator[tuple[str, Tensor]]:
    """The state of a block in `form`, by key."""
    for key, value in grouped.items():
        layer, name = int(key.partition(".")[0]), key.partition(".")[2]
        keys = _keys(layer, name, form, cardinality)
        if len(keys) == 1 or value.ndim == 0:
            parts = [value] * len(keys)
        elif layer == LAST and name == "bias":
            parts = [value / cardinality] * cardinality
        else:
            parts = list(value.chunk(cardinality, 1 if layer == LAST else 0))
        yield from zip(keys, parts, strict=True)
