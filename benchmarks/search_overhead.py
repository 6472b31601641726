"""What a search costs beside training: asking, binding, screening, storing and telling a trial that trains nothing.

    python benchmarks/search_overhead.py [--trials 1000] [--ray-trials 40] [--sampler random]

The training has one epoch and no work; the first trial, before which workers start, is not counted. Beside it: plain
Optuna with as many parameters in the same storage, by the same sampler where that is Optuna's and at random elsewhere,
and Ray Tune as it comes, with its own searcher for Optuna and a function to tune.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler

from formulanas.progress import Part, Progress
from formulanas.search.driver import Driver
from formulanas.search.executors.task import Message, Task, TaskSource
from formulanas.search.run import create_run
from formulanas.search.samplers.catalogue import OptunaSampler, find_sampler, make_sampler
from formulanas.search.search import prepare_study
from formulanas.search.space.document import read_space
from formulanas.search.space.proxy import Proxy
from formulanas.search.study.proposer import optuna_sampler
from formulanas.search.study.study import open_storage
from formulanas.training.training import EpochMetrics

SPACE = Path(__file__).parents[1] / "search_spaces" / "recursion.yaml"


def no_training(task: Task) -> Iterator[Message]:
    """What a worker would say of a task, at once; the accuracy is a function of the seed."""
    yield Message("epoch", EpochMetrics(1, 1.0, 0.1, 1.0, task.seed % 1000 / 1000, 0.0))
    yield Message("done")


class Silent(Progress):
    """Says nothing."""

    def line(self, *parts: Part) -> None:
        """Says nothing."""


class AtOnce:
    """An executor that does nothing, in this process: what is left is the driver. `marks` are the times of the ends."""

    def run(self, source: TaskSource) -> None:
        """Does all tasks of a source."""
        while (task := source.next()) is not None:
            for message in no_training(task):
                source.handle(task.number, message)


class Watched:
    """A source that notes when each training ends, in wall and in processor seconds of this process."""

    def __init__(self, source: TaskSource) -> None:
        self.source = source
        self.marks = [(time.perf_counter(), time.process_time())]

    def next(self) -> Task | None:
        """As of the source."""
        return self.source.next()

    def handle(self, number: int, message: Message) -> bool:
        """As of the source."""
        go_on = self.source.handle(number, message)
        if message.kind != "epoch":
            self.marks.append((time.perf_counter(), time.process_time()))
        return go_on


def new_search(name: str, num_trials: int, sampler: str) -> tuple[Driver, Proxy]:
    """A search of the default space in the current folder."""
    overrides = {"search.sampler": sampler, "search.pruner": "median", "proxy.recipe.epochs": "1"}
    run, settings = create_run(SPACE, read_space(SPACE, overrides), name, num_trials, 0, None)
    study = prepare_study(run, settings)
    made = make_sampler(sampler, run.folder, settings.space.space, settings.proxy, settings.seed)
    return Driver(run, settings, settings.space.search, study, made, Silent()), settings.proxy


def show(what: str, marks: list[tuple[float, float]], num_asked: int) -> None:
    """Prints the cost of a trial over all, and over the last tenth."""
    marks = marks[1:]  # the first trial's end: workers start before it
    trained = len(marks) - 1
    tail = max(1, trained // 10)
    wall, cpu = (1000 * (marks[-1][k] - marks[0][k]) / trained for k in (0, 1))
    last_wall, last_cpu = (1000 * (marks[-1][k] - marks[-1 - tail][k]) / tail for k in (0, 1))
    print(
        f"{what:<38} {trained:>6} {num_asked:>6} {wall:>10.1f} {cpu:>10.1f} {last_wall:>12.1f} {last_cpu:>12.1f}",
        flush=True,
    )


def ours(executor: Any, name: str, num_trials: int, sampler: str) -> None:
    """Runs a search on `executor` and prints its cost."""
    driver, _ = new_search(name.replace(" ", "-").replace(",", ""), num_trials, sampler)
    watched = Watched(driver)
    executor.run(watched)
    show(name, watched.marks, driver.study.num_trials)


def plain_optuna(num_trials: int, sampler: BaseSampler) -> None:
    """Ten categorical parameters, one report, one tell, in the same kind of storage."""
    study = optuna.create_study(storage=open_storage(Path("plain.journal")), sampler=sampler, direction="maximize")
    marks = [(time.perf_counter(), time.process_time())]
    for _ in range(num_trials):
        trial = study.ask()
        for k in range(10):
            trial.suggest_categorical(f"s{k}", [0, 1, 2])
        trial.report(0.5, 1)
        trial.should_prune()
        study.tell(trial, trial.number % 7 / 7)
        marks.append((time.perf_counter(), time.process_time()))
    show("plain Optuna", marks, num_trials)


def on_ray(num_trials: int, sampler: str) -> None:
    """Ours on Ray Tune, and Ray Tune as it comes."""
    from formulanas.search.executors import ray_tune as ours_on_ray

    class NoTraining(ours_on_ray.TrialWorker):
        def setup(self, config: dict[str, Any]) -> None:
            self.gauges = {}
            self.worker = type("NoWorker", (), {"train": staticmethod(no_training)})()
            self.reset_config(config)

    _, proxy = new_search("unused", 1, sampler)
    with ours_on_ray.ray_executor(proxy, "bench", 1, None, None) as executor:
        executor.trainable = NoTraining
        ours(executor, "Ray Tune, our searcher, one worker", num_trials, sampler)
        stock_tune(max(1, num_trials // 5))


def stock_tune(num_trials: int) -> None:
    """A function to tune, with Tune's own searcher for Optuna and actors that are not used again."""
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def objective(config: dict[str, Any]) -> None:
        tune.report({"value": sum(config.values()), "t": time.time()})

    space = {f"s{k}": tune.choice([0, 1, 2]) for k in range(10)}
    settings = tune.TuneConfig(
        metric="value", mode="max", search_alg=OptunaSearch(), num_samples=num_trials, max_concurrent_trials=1
    )
    begun = time.process_time()
    config = tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0)
    results = tune.Tuner(objective, param_space=space, tune_config=settings, run_config=config).fit()
    reported = [results[place].metrics for place in range(num_trials)]
    times = sorted(each["t"] for each in reported if each is not None)  # from the first on: starting is not counted
    cpu = (time.process_time() - begun) / num_trials
    show("Ray Tune as it comes", [(each, cpu * place) for place, each in enumerate(times)], num_trials)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--ray-trials", type=int, default=40)
    parser.add_argument("--sampler", default="random")
    options = parser.parse_args()
    os.chdir(tempfile.mkdtemp())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Optuna {optuna.__version__}")
    print(f"{'milliseconds a trained trial':<38} trained  asked       wall  processor   last tenth: wall, processor")
    ours(AtOnce(), "local driver", options.trials, options.sampler)
    sampler = find_sampler(options.sampler)
    plain = optuna_sampler(sampler, 0) if isinstance(sampler, OptunaSampler) else RandomSampler(seed=0)
    plain_optuna(options.trials, plain)
    if options.ray_trials:
        on_ray(options.ray_trials, options.sampler)


if __name__ == "__main__":
    main()
