"""The command that trains a target through a full schedule."""

from dataclasses import asdict
from pathlib import Path

import click

from formulanas.cli.options import answer, as_json, bindings, data_dir, interruptible, pairs, progress


@click.command()
@click.argument("target")
@click.option("--backbone", help="The backbone to train it over.  [default: cifar-resnet-20, for imagenet resnet18]")
@click.option("--dataset", help="cifar10, cifar100, cifar10-mini or imagenet; by default that of the search.")
@click.option("--recipe", help="The recipe by name, or a YAML file.  [default: cifar, for imagenet imagenet]")
@click.option("--epochs", type=click.IntRange(1), help="Stretch or shorten the recipe's schedule.")
@click.option("--seed", default=0, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=1, help="Train so many, with the seeds from --seed on.")
@click.option("--scale", type=float, metavar="PHI", help="Scale the backbone, and ImageNet's images, by 1905.11946.")
@click.option("--fixres", type=click.IntRange(1), metavar="SIZE", help="Tune head and norms for test images of SIZE.")
@click.option("--ten-crop", is_flag=True, help="Evaluate ten crops of each image too (ImageNet).")
@click.option("--accumulate", type=int, default=1, help="Parts of a batch, where it does not fit in memory.")
@click.option("--compile", "compiled", is_flag=True, help="Compile the network (torch.compile).")
@click.option("--branches", default="separate", show_default=True, help="Functions of a block: fused, two-devices.")
@click.option("--skip-broken", is_flag=True, help="Leave out images that cannot be read.")
@click.option("--decoders", type=click.IntRange(0), help="Processes that decode images.  [default: one a core]")
@click.option("--workers", type=int, default=1, help="Processes that share each batch, by Ray Train; one GPU each.")
@click.option("--address", help="Their Ray cluster, auto or HOST:PORT; by default Ray is started on this machine.")
@data_dir
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--checkpoint-minutes", default=2.0, show_default=True, help="The time between checkpoints.")
@bindings
@as_json
def retrain(
    target: str,
    backbone: str | None,
    dataset: str | None,
    recipe: str | None,
    epochs: int | None,
    seed: int,
    seeds: int,
    scale: float | None,
    fixres: int | None,
    ten_crop: bool,
    accumulate: int,
    compiled: bool,
    branches: str,
    skip_broken: bool,
    decoders: int | None,
    workers: int,
    address: str | None,
    data_dir: Path | None,
    resume: bool,
    checkpoint_minutes: float,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train TARGET through a full schedule, and evaluate it on the test set once, at the end."""
    from formulanas.retrain import Options, retrain_seeds
    from formulanas.retrain import retrain as run_retrain

    options: Options = {
        "values": pairs(bindings, "--bind"),
        "backbone_name": backbone,
        "dataset_name": dataset,
        "recipe_name": recipe,
        "epochs": epochs,
        "seed": seed,
        "data_dir": data_dir,
        "resume": resume,
        "checkpoint_minutes": checkpoint_minutes,
        "progress": progress(),
        "scale": scale,
        "fixres": fixres,
        "ten_crops": ten_crop,
        "accumulate": accumulate,
        "compiled": compiled,
        "branches": branches,
        "skip_broken": skip_broken,
        "decoders": decoders,
        "workers": workers,
        "address": address,
    }
    with interruptible("go on from the last checkpoint by the same command with --resume."):
        outcome = run_retrain(target, **options) if seeds == 1 else retrain_seeds(target, seeds, **options)
    answer(as_json, asdict(outcome), [outcome.statement])
