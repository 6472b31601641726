"""The command that takes a network away: export."""

from pathlib import Path

import click

from formulanas.cli.options import as_json, bindings, pairs, print_json


@click.command()
@click.argument("target")
@click.option("--format", "kind", metavar="FORMAT", help="python, onnx or pt2.  [default: by the ending of FILE]")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="What to write.")
@click.option("--backbone", help="A backbone by name.  [default: that of the run, else cifar-resnet-20]")
@click.option(
    "--dataset", help="The data set whose images and classes count.  [default: that of the run, else cifar10]"
)
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
    from dataclasses import asdict

    from formulanas.export.export import export as run_export

    done = run_export(
        target,
        output,
        kind=kind,
        values=pairs(bindings, "--bind"),
        backbone_name=backbone,
        dataset_name=dataset,
    )
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"written    {' and '.join(done.files)}: {done.params:,} parameters")
    click.echo(f"checked    {done.statement}")
    if done.unused_params:
        click.echo(
            f"left out   {done.unused_params:,} parameters of projections whose history is zero: nothing reads them"
        )
    if not done.trained:
        start = "its network starts anew" if done.format == "python" else "it has the weights of seed 0"
        click.echo(f"untrained  {target} has no trained weights, so {start}; `formulanas retrain` trains it, and its")
        click.echo("           folder is a TARGET as well")
