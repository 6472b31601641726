"""An export: the network that a target names, written to a file that is kept only if it gives the same logits."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from formulanas.data.catalogue import dataset
from formulanas.errors import InputError, unknown_name
from formulanas.export.formats import FORMATS, write_onnx, write_pt2, write_python
from formulanas.formula.bind import Value
from formulanas.network.network import Network, build
from formulanas.store.targets import resolve
from formulanas.training.load import load_retrained

BATCH_SIZES = 1, 3  # of the random images on which logits are compared
TOLERANCE = 1e-4  # of a logit, relative to the largest; float32 rounding through 100 layers is ten times less


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its logits are from ours on random images, relative to the largest logit."""

    format: str
    files: tuple[str, ...]
    formula: str
    backbone: str
    dataset: str
    trained: bool
    params: int
    unused_params: int  # of projections of a history that is zero, left out of plain code
    difference: float

    @property
    def statement(self) -> str:
        """What a reader is told."""
        kind = "bit for bit" if self.difference == 0 else f"to {self.difference:.1g} of the largest"
        return f"logits equal ours {kind}, on random images in batches of {BATCH_SIZES[0]} and {BATCH_SIZES[1]}"


def export(
    target: str,
    output: str | Path,
    *,
    kind: str | None = None,
    values: Mapping[str, Value] | None = None,
    backbone_name: str | None = None,
    dataset_name: str | None = None,
) -> Exported:
    """Writes the network that `target` names to `output`; `kind` is python, onnx or pt2, by default by the ending.

    A retrained model keeps its weights. Any other target has none: plain code starts anew, and the other formats have
    the weights of seed 0. Raises InputError, and leaves no file, where the logits differ from ours.
    """
    asked, output = Path(output), Path(output).absolute()
    kind = _kind(output, kind)
    found = resolve(target, values)
    trained = found.model is not None
    if trained and (backbone_name or dataset_name):
        raise InputError(f"{target} is a retrained model with a backbone and a data set of its own; give neither")
    over = found.over(backbone_name, dataset_name)
    if trained:
        network = load_retrained(target, torch.device("cpu")).network
    else:
        network = build(over.architecture, seed=0).eval()
    if not output.parent.is_dir():
        raise InputError(f"there is no folder {output.parent} to write {output.name} to; make it first")
    shape = network.architecture.image
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(size, *shape, generator=generator) for size in BATCH_SIZES]
    with torch.no_grad():
        logits = [network(each) for each in batches]
    title = f"{found.published or 'Network'} over {over.backbone_name}, for images like those of {over.dataset}"
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as folder:
        draft = Path(folder) / output.name
        match kind:
            case "python":
                theirs = write_python(network, draft, title, _notes(network, over.dataset), trained, batches)
            case "onnx":
                theirs = write_onnx(network, draft, batches)
            case _:
                theirs = write_pt2(network, draft, batches)
        difference = _difference(logits, theirs)
        if not difference <= TOLERANCE:
            raise InputError(
                f"exported logits must equal ours to {TOLERANCE} of the largest, but differ by {difference:.2g}; "
                f"nothing was written. This is a mistake of ours: please report {found.recursion.text}"
            )
        files = [output]
        if kind == "python" and trained:
            files.append(output.with_suffix(".pt"))
        for path in files:
            draft.with_name(path.name).replace(path)
    params = network.architecture.plan.num_params
    unused = _unused(network) if kind == "python" else 0
    return Exported(
        format=kind,
        files=tuple(str(asked.with_name(path.name)) for path in files),
        formula=found.recursion.text,
        backbone=over.backbone_name,
        dataset=over.dataset,
        trained=trained,
        params=params - unused,
        unused_params=unused,
        difference=difference,
    )


def _kind(output: Path, kind: str | None) -> str:
    known = FORMATS.get(output.suffix)
    if kind is None and known is None:
        raise InputError(f"{output.name} does not tell its format; end it in {', '.join(FORMATS)}, or give --format")
    if kind is not None and kind not in FORMATS.values():
        raise InputError(unknown_name("format", kind, FORMATS.values()))
    if kind == "python" and output.suffix != ".py":
        raise InputError(f"a Python file ends in .py, but got {output.name}")
    return kind or str(known)


def _notes(network: Network, dataset_name: str) -> list[str]:
    """What a reader of the file should know: the images that it takes."""
    files = dataset(dataset_name).files
    channels, height, width = network.architecture.image
    return [
        f"Images are (N, {channels}, {height}, {width}) between 0 and 1, normalised per channel by the mean",
        f"{files.mean} and the deviation {files.deviation}.",
    ]


def _unused(network: Network) -> int:
    """The trained parameters of modules that the forward pass never calls."""
    plan = network.architecture.plan
    called = {line.module for line in plan.lines}
    return sum(layer.num_params() for name, layers in plan.modules.items() if name not in called for layer in layers)


def _difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest difference of a logit, relative to the largest logit; not a number stays not a number."""
    if all(map(torch.equal, ours, theirs)):
        return 0.0
    differences = [float((a - b).abs().max() / a.abs().max()) for a, b in zip(ours, theirs, strict=True)]
    return max(differences, key=lambda each: (each != each, each))
