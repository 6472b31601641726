"""The commands that work for long: search, retrain, and status, which watches them."""

import sys
import time
from pathlib import Path

import click

from formulanas.cli.options import EXIT_INTERRUPTED, as_json, bindings, pairs, print_json, progress, show
from formulanas.errors import InputError


@click.command()
@click.argument("space", type=click.Path(path_type=Path), required=False)
@click.option("--trials", type=int, help="Architectures to train; by default as the space file says.")
@click.option("--seed", default=0, show_default=True, help="Makes a run with one worker repeatable.")
@click.option("--name", help="The run's name, a folder in runs/; by default the space's name and a number.")
@click.option("--resume", is_flag=True, help="Go on with a run: --name, or the latest of this space.")
@click.option("--workers", type=int, help="Trials side by side; by default what the machine carries.")
@click.option("--executor", default="local", show_default=True, help="Who trains: local processes, or ray (Ray Tune).")
@click.option("--address", help="A Ray cluster, auto or HOST:PORT; by default Ray is started on this machine.")
@click.option("--gpus", type=float, help="GPUs for each trial on Ray, such as 0.25.  [default: 1 where there are any]")
@click.option("--dataset", help="The images of the proxy: auto, cifar10-mini, cifar10 or cifar100.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: proxy.recipe.epochs=5.")
@as_json
def search(
    space: Path | None,
    trials: int | None,
    seed: int,
    name: str | None,
    resume: bool,
    workers: int | None,
    executor: str,
    address: str | None,
    gpus: float | None,
    dataset: str | None,
    data_dir: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Search the space file SPACE and print a leaderboard.

    The named points of the space are trained first. The run is kept in runs/NAME; Ctrl-C ends it cleanly, and
    --resume goes on with it.
    """
    from formulanas.progress import plain
    from formulanas.records import write_text
    from formulanas.report.leaderboard import search_lines
    from formulanas.search.search import search as run_search
    from formulanas.store.runs import RUNS_DIR

    started = time.monotonic()
    if resume and (settings or dataset or data_dir):
        raise InputError("a resumed run keeps its settings (study.yaml); only --trials and its executor can be new")
    try:
        board = run_search(
            space,
            name=name,
            trials=trials,
            seed=seed,
            workers=workers,
            executor=executor,
            address=address,
            gpus=gpus,
            dataset=dataset,
            data_dir=data_dir,
            overrides=pairs(settings, "--set"),
            resume=resume,
            progress=progress(),
        )
    except KeyboardInterrupt:
        click.echo("\nInterrupted: what was finished is kept. Go on by the same command with --resume.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if as_json:
        print_json(
            {
                "run": board.run,
                "trials": board.trials,
                "verdict": board.verdict,
                "rows": [row.to_json() for row in board.rows],
            }
        )
        return
    lines = list(search_lines(board, time.monotonic() - started))
    write_text(RUNS_DIR / board.run / "leaderboard.txt", "".join(f"{plain(line)}\n" for line in lines))
    show(lines)


@click.command()
@click.argument("run", required=False)
@click.option("--watch", is_flag=True, help="Look again every two seconds.")
@as_json
def status(run: str | None, watch: bool, as_json: bool) -> None:
    """Where a run stands; by default the latest."""
    from formulanas.report.status import run_status, status_lines
    from formulanas.store.runs import find_run, runs

    found = runs()
    if not run and not found:
        raise InputError("there are no runs yet; start one by `formulanas search search_spaces/recursion.yaml`")
    chosen = find_run(run) if run else found[0]
    while True:
        now = run_status(chosen)
        if as_json:
            print_json(now)
        else:
            if watch:
                click.clear()
            show(status_lines(now))
        if not watch or now["state"] == "finished":
            return
        time.sleep(2)


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
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
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
    from dataclasses import asdict

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
    try:
        outcome = run_retrain(target, **options) if seeds == 1 else retrain_seeds(target, seeds, **options)
    except KeyboardInterrupt:
        click.echo("\nInterrupted: go on from the last checkpoint by the same command with --resume.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if as_json:
        print_json(asdict(outcome))
    else:
        click.echo(outcome.statement)
