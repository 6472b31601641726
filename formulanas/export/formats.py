"""The formats of an export: each writes a network to a file, and runs what it wrote on images that we ran ourselves."""

import subprocess
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from formulanas.errors import InputError
from formulanas.export.python_code import PythonCode, python_code
from formulanas.network.network import Network

FORMATS = {".py": "python", ".onnx": "onnx", ".pt2": "pt2"}  # by the ending of the file
CHECK = """
import runpy, sys, torch

sys.modules["formulanas"] = None  # so that importing it fails
torch.set_num_threads({threads})
namespace = runpy.run_path({file!r})
network = namespace[{network!r}]().eval()
network.load_state_dict(torch.load({weights!r}, weights_only=True))
batches = torch.load({images!r}, weights_only=True)
with torch.no_grad():
    outputs = [network(images) for images in batches]
    if {has_load}:
        assert all(map(torch.equal, outputs, [namespace["load"]()(images) for images in batches]))
torch.save(outputs, {logits!r})
"""


def write_python(
    network: Network, path: Path, title: str, notes: Sequence[str], has_weights: bool, batches: Sequence[Tensor]
) -> list[Tensor]:
    """Writes code, and weights and what is compared beside it; logits of a process that has no formulanas."""
    code = python_code(network.architecture, title, notes, has_weights)
    path.write_text(code.text)
    weights = path.with_suffix(".pt")
    torch.save(renamed_weights(network, code), weights)
    images, logits = path.with_suffix(".images"), path.with_suffix(".logits")
    torch.save(list(batches), images)
    script = CHECK.format(
        threads=torch.get_num_threads(),
        file=str(path),
        network=code.network,
        weights=str(weights),
        images=str(images),
        logits=str(logits),
        has_load=has_weights,
    )
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=path.parent)
    if ran.returncode:
        raise InputError(f"the exported code does not run, which is a mistake of ours:\n{ran.stderr}")
    found: list[Tensor] = torch.load(logits, weights_only=True)
    return found


def renamed_weights(network: Network, code: PythonCode) -> dict[str, Tensor]:
    """The weights under the names that they have in the file; those that nothing reads are left out."""
    namespace: dict[str, object] = {"__name__": code.network, "__file__": "network.py"}
    exec(compile(code.text, code.network, "exec"), namespace)
    made = namespace[code.network]
    assert isinstance(made, type)
    with torch.device("meta"):
        theirs: torch.nn.Module = made(network.architecture.num_classes)
    renamed: dict[str, Tensor] = {}
    for module, place in code.places.items():
        ours, names = network.get_submodule(module).state_dict(), theirs.get_submodule(place).state_dict()
        renamed |= {f"{place}.{name}": tensor for name, tensor in zip(names, ours.values(), strict=True)}
    return renamed


def write_onnx(network: Network, path: Path, batches: Sequence[Tensor]) -> list[Tensor]:
    """Writes an ONNX file in which the number of images is free; logits of onnxruntime."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise InputError(f"--format onnx needs {', '.join(missing)}; install the extra: pip install 'formulanas[onnx]'")
    onnxruntime = import_module("onnxruntime")  # which has no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            (batches[-1],),
            path,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(session.run(None, {"images": images.numpy()})[0]) for images in batches]


def write_pt2(network: Network, path: Path, batches: Sequence[Tensor]) -> list[Tensor]:
    """Writes a program of torch.export in which the number of images is free; logits of the program read back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.export.export(network, (batches[-1],), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.export.save(program, path)
        read = torch.export.load(path).module()
    with torch.no_grad():
        return [read(images) for images in batches]
