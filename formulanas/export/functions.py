"""Sequences of layers as functions of a file: each distinct one is written once, with its channels as parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.layers import BatchNorm, Layers
from formulanas.export.layer_source import sequence
from formulanas.export.layout import wrapped
from formulanas.export.template import Skeleton, Slot, Template, parameters, resolve, skeleton
from formulanas.export.trace import name_parts


@dataclass(frozen=True)
class Functions:
    """The functions of a file, and for each module of the plan the expression that makes it."""

    texts: tuple[str, ...]
    calls: Mapping[str, Template]


def functions_of(architecture: Architecture, modules: Mapping[str, Layers]) -> Functions:
    """One function for each kind of sequence among the modules of blocks; a layer alone is written where it is used."""
    calls = {name: sequence(layers) for name, layers in modules.items()}
    groups: dict[tuple[str, Skeleton], list[str]] = {}
    for name in modules:
        if calls[name][0] == "nn.Sequential(" and name_parts(name)[0]:
            base = _base_name(architecture, name, modules[name])
            groups.setdefault((base, skeleton(calls[name])), []).append(name)
    texts: list[str] = []
    numbers: dict[str, int] = {}
    for (base, _), names in groups.items():
        numbers[base] = numbers.get(base, 0) + 1
        function = f"{base}{numbers[base]}" if numbers[base] > 1 else base
        uses = [calls[name] for name in names]
        found = parameters(uses)
        body = resolve(uses[0], found, 0, uses)
        signature = f"def {function}({', '.join(each.declaration for each in found)}) -> nn.Sequential:"
        texts.append("\n".join([*wrapped(signature), *wrapped(f"return {body}", 4)]))
        for use, name in enumerate(names):
            arguments: list[str | Slot] = [part for each in found for part in each.argument(use)]
            if arguments and arguments[0] == ", ":
                del arguments[0]
            calls[name] = (f"{function}(", *arguments, ")")
    return Functions(tuple(texts), calls)


def _base_name(architecture: Architecture, module: str, layers: Layers) -> str:
    """What a person would call the function: the kind of the transform, or what it does with a history."""
    label = name_parts(module)[2]
    if label.startswith("carry_"):
        return "transition" if isinstance(layers[0], BatchNorm) else "projection"
    if label.startswith("norm"):
        return "norm_act"
    return architecture.recursion.kind(label.rstrip("0123456789")) or architecture.backbone.transform
