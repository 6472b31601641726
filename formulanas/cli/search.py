"""The command that searches: the main job."""

import time
from pathlib import Path

import click

from formulanas.cli.options import FILE, answer, as_json, data_dir, interruptible, pairs, progress, settings


@click.command()
@click.argument("space", type=FILE, required=False)
@click.option("--trials", type=int, help="Architectures to train; by default as the space file says.")
@click.option("--seed", default=0, show_default=True, help="Makes a run with one worker repeatable.")
@click.option("--name", help="The run's name, a folder in runs/; by default the space's name and a number.")
@click.option("--resume", is_flag=True, help="Go on with a run: --name, or the latest of this space.")
@click.option("--workers", type=int, help="Trials side by side; by default what the machine carries.")
@click.option("--executor", default="local", show_default=True, help="Who trains: local processes, or ray (Ray Tune).")
@click.option("--address", help="A Ray cluster, auto or HOST:PORT; by default Ray is started on this machine.")
@click.option("--gpus", type=float, help="GPUs for each trial on Ray, such as 0.25.  [default: 1 where there are any]")
@click.option("--dataset", help="The images of the proxy: auto, cifar10-mini, cifar10 or cifar100.")
@data_dir
@settings
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
    from formulanas.search.executors.choice import Workers
    from formulanas.search.search import SearchOptions
    from formulanas.search.search import search as run_search
    from formulanas.store.runs import RUNS_DIR

    options = SearchOptions(
        name=name,
        trials=trials,
        seed=seed,
        dataset=dataset,
        data_dir=data_dir,
        overrides=pairs(settings, "--set"),
        resume=resume,
        workers=Workers(executor, workers, address, gpus),
    )
    started = time.monotonic()
    with interruptible("what was finished is kept. Go on by the same command with --resume."):
        board = run_search(space, options, progress())
    lines = list(search_lines(board, time.monotonic() - started))
    write_text(RUNS_DIR / board.run / "leaderboard.txt", "".join(f"{plain(line)}\n" for line in lines))
    answer(as_json, board.to_json(), lines)
