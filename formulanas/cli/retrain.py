"""The command that trains a target through a full schedule."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from formulanas.cli.options import answer, as_json, bindings, data_dir, interruptible, pairs, progress

if TYPE_CHECKING:
    from formulanas.retrain import Summary
    from formulanas.store.models import Result


@click.command()
@click.argument("target")
@click.option("--backbone", "backbone_name", help="A backbone by name; by default that of a model, else as below.")
@click.option("--dataset", "dataset_name", help="A data set by name; by default that of the search or model.")
@click.option("--recipe", "recipe_name", help="By name, or a YAML file.  [default: cifar, for imagenet imagenet]")
@click.option("--epochs", type=click.IntRange(1), help="Stretch or shorten the recipe's schedule.")
@click.option("--seed", type=int, help="Of all chance.  [default: 0]")
@click.option("--seeds", type=click.IntRange(1), default=1, help="Train so many, with the seeds from --seed on.")
@click.option("--scale", type=float, metavar="PHI", help="Scale the backbone, and ImageNet's images, by 1905.11946.")
@click.option("--fixres", type=click.IntRange(1), metavar="SIZE", help="Tune head and norms for test images of SIZE.")
@click.option("--ten-crop", "ten_crops", is_flag=True, help="Evaluate ten crops of each image too (ImageNet).")
@click.option("--accumulate", type=int, help="Parts of a batch, where it does not fit in memory.  [default: 1]")
@click.option("--compile", "compiled", is_flag=True, help="Compile the network (torch.compile).")
@click.option("--branches", help="Functions of a block: separate, fused, two-devices.  [default: separate]")
@click.option("--skip-broken", is_flag=True, help="Leave out images that cannot be read.")
@click.option("--decoders", type=click.IntRange(0), help="Processes that decode images.  [default: one a core]")
@click.option("--workers", type=int, help="Processes that share each batch, by Ray Train; one GPU each.  [default: 1]")
@click.option("--address", help="Their Ray cluster, auto or HOST:PORT; by default Ray is started on this machine.")
@data_dir
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, with the settings that it began with.")
@click.option("--checkpoint-minutes", type=float, help="The time between checkpoints.  [default: 2]")
@bindings
@as_json
def retrain(target: str, seeds: int, bindings: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Train TARGET through a full schedule, and evaluate it on the test set once, at the end.

    A formula is trained over cifar-resnet-20, on ImageNet over resnet18; a retrained model's folder over its own.
    """
    from formulanas.retrain import Options, retrain_seeds
    from formulanas.retrain import retrain as run_retrain
    from formulanas.store.targets import resolve

    options = Options(**{name: value for name, value in asked.items() if value is not None and value is not False})
    found, said = resolve(target, pairs(bindings, "--bind")), progress()
    outcome: Result | Summary
    with interruptible("go on from the last checkpoint by the same command with --resume."):
        outcome = run_retrain(found, options, said) if seeds == 1 else retrain_seeds(found, seeds, options, said)
    answer(as_json, asdict(outcome), [outcome.statement])
