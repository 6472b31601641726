"""The command that takes a network away."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from formulanas.cli.options import FILE, answer, as_json, backbone, bindings, dataset, pairs

if TYPE_CHECKING:
    from formulanas.export.export import Exported
    from formulanas.progress import Line


@click.command()
@click.argument("target")
@click.option("--format", "kind", metavar="FORMAT", help="python, onnx or pt2.  [default: by the ending of FILE]")
@click.option("-o", "--output", required=True, type=FILE, metavar="FILE", help="What to write.")
@backbone
@dataset
@bindings
@as_json
def export(
    target: str,
    kind: str | None,
    output: Path,
    backbone: str | None,
    dataset: str | None,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the network of TARGET as plain PyTorch code (python), as ONNX, or as a program of torch.export (pt2).

    Plain code needs torch alone, and has trained weights beside it. Whatever is written is run at once: it is kept only
    if its logits equal ours.
    """
    from formulanas.export.export import export as run_export

    done = run_export(
        target,
        output,
        kind=kind,
        values=pairs(bindings, "--bind"),
        backbone_name=backbone,
        dataset_name=dataset,
    )
    answer(as_json, asdict(done), _lines(target, done))


def _lines(target: str, done: "Exported") -> "Iterator[Line]":
    yield f"written    {' and '.join(done.files)}: {done.params:,} parameters"
    yield f"checked    {done.statement}"
    if done.unused_params:
        yield f"left out   {done.unused_params:,} parameters of projections whose history is zero: nothing reads them"
    if not done.trained:
        start = "its network starts anew" if done.format == "python" else "it has the weights of seed 0"
        yield f"untrained  {target} has no trained weights, so {start}; `formulanas retrain` trains it, and its"
        yield "           folder is a TARGET as well"
