"""Sequences of layers as functions of a file: each distinct one is written once, with its channels as parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.layers import BatchNorm, Layers
from formulanas.architecture.lines import Role
from formulanas.export.layer_source import sequence
from formulanas.export.layout import bracketed, indented
from formulanas.export.template import Skeleton, Slot, Template, abstracted, skeleton


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
        role = architecture.plan.roles[name]
        if len(modules[name]) > 1 and role.kind not in ("stem", "head"):
            base = _base_name(architecture, role, modules[name])
            groups.setdefault((base, skeleton(calls[name])), []).append(name)
    texts: list[str] = []
    numbers: dict[str, int] = {}
    for (base, _), names in groups.items():
        numbers[base] = numbers.get(base, 0) + 1
        function = f"{base}{numbers[base]}" if numbers[base] > 1 else base
        found, bodies = abstracted([[calls[name]] for name in names])
        signature = bracketed(f"def {function}(", [each.declaration for each in found], ") -> nn.Sequential:")
        texts.append("\n".join([*signature, *indented(f"return {bodies[0]}", 4)]))
        for use, name in enumerate(names):
            arguments: list[str | Slot] = [part for each in found for part in each.argument(use)]
            if arguments and arguments[0] == ", ":
                del arguments[0]
            calls[name] = (f"{function}(", *arguments, ")")
    return Functions(tuple(texts), calls)


def _base_name(architecture: Architecture, role: Role, layers: Layers) -> str:
    """What a person would call the function: the kind of the transform, or what it does with a history."""
    match role.kind:
        case "carry":
            return "transition" if isinstance(layers[0], BatchNorm) else "projection"
        case "shared norm":
            return "norm_act"
    return architecture.recursion.kind(role.name) or architecture.backbone.transform
