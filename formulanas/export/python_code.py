"""A network as one Python file that needs torch alone, written as a person would have written it."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from formulanas.architecture.architecture import Architecture
from formulanas.export.functions import functions_of
from formulanas.export.layer_source import BIASED_CONV, OWN, own_classes
from formulanas.export.layout import indented
from formulanas.export.network_body import Body, network_body
from formulanas.export.template import Slot, Template, plain

LOAD = '''def load(weights: str | Path = Path(__file__).with_suffix(".pt")) -> {network}:
    """The network with its trained weights, in evaluation mode."""
    network = {network}()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()'''


@dataclass(frozen=True)
class PythonCode:
    """The text of a file, the name of its network's class, and the place in it of each module of the plan."""

    text: str
    network: str
    places: Mapping[str, str]


def python_code(architecture: Architecture, title: str, notes: Sequence[str], has_weights: bool) -> PythonCode:
    """The code of a network; `title` is what it is, `notes` the lines that its reader should know."""
    plan = architecture.plan
    idle = plan.idle_modules
    modules = {name: layers for name, layers in plan.modules.items() if name not in idle}
    functions = functions_of(architecture, modules)
    body = network_body(architecture, functions.calls)
    network = class_name(title)
    own = own_classes(tuple(layer for layers in modules.values() for layer in layers))
    parts = [
        *own,
        *functions.texts,
        *body.classes,
        _network(network, architecture, functions.calls, body, BIASED_CONV.rstrip() in own),
    ]
    if has_weights:
        parts.append(LOAD.format(network=network))
    code = "\n\n\n".join(parts)
    formula = textwrap.wrap(architecture.recursion.text, 110, break_long_words=False)
    header = docstring([f"{title}.", "", *(f"    {line}" for line in formula), "", *notes])
    text = "\n".join([header, "", *_imports(code), "", "", code, ""])
    return PythonCode(text, network, {**body.places, "head": "head"})


def docstring(lines: Sequence[str]) -> str:
    """The docstring that says `lines`, whatever they hold: what could end it, or is not printable, is escaped."""
    text = "\n".join("".join(map(_escaped, line)).replace('""', r"\"\"") for line in lines)
    return f'"""{text}\n"""'


def _escaped(character: str) -> str:
    return character if character.isprintable() and character != "\\" else repr(character)[1:-1]


def class_name(title: str) -> str:
    """A name for the class of a network: resnet-s is ResnetS, and a formula without a name is Network."""
    word = re.match(r"[A-Za-z][\w-]*", title, re.ASCII)
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]", word[0])) if word else ""
    taken = {own.__name__ for own in OWN.values()} | {"Block", "Path", "Tensor"}
    return f"{name}Network" if name in taken or not name else name


def _network(
    name: str, architecture: Architecture, calls: Mapping[str, Template], body: Body, has_own_bias: bool
) -> str:
    lines = [
        f"class {name}(nn.Module):",
        '    """From images (N, C, H, W), normalised, to logits (N, num_classes)."""',
        "",
        f"    def __init__(self, num_classes: int = {architecture.num_classes}) -> None:",
        "        super().__init__()",
        *body.made,
        *indented(f"self.head = {_head(calls['head'])}", 8),
        *_start(architecture, has_own_bias),
        "",
        "    def forward(self, images: Tensor) -> Tensor:",
        *(f"        {line}" for line in body.forward),
    ]
    return "\n".join(lines)


def _head(template: Template) -> str:
    """The head with its classes as a parameter."""
    last = max(at for at, part in enumerate(template) if isinstance(part, Slot))
    return plain((*template[:last], "num_classes", *template[last + 1 :]))


def _start(architecture: Architecture, has_own_bias: bool) -> list[str]:
    """How convolutions start (He et al. 2015): each draws its weights from its fan-out, and has no bias yet."""
    lines = [
        "        for module in self.modules():",
        "            if isinstance(module, nn.Conv2d):",
        '                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")',
    ]
    if architecture.backbone.conv_bias:
        apart = " and not isinstance(module, BiasedConv2d)" if has_own_bias else ""
        lines += [
            f"                if module.bias is not None{apart}:",
            "                    nn.init.zeros_(module.bias)",
        ]
    return lines


def _imports(code: str) -> list[str]:
    """The imports that `code` needs, the standard library's first."""
    lines = [f"import {name}" for name in ("functools", "operator") if f"{name}." in code]
    if "Sequence[" in code:
        lines.append("from collections.abc import Sequence")
    if "Path(" in code:
        lines.append("from pathlib import Path")
    lines += [""] if lines else []
    if "torch." in code:
        lines.append("import torch")
    lines.append("from torch import Tensor, nn")
    if "functional." in code:
        lines.append("from torch.nn import functional")
    return lines
