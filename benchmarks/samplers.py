"""The samplers raced on tables of trained architectures: mean regret of what a user would choose, in accuracy points.

    python benchmarks/samplers.py [--tables cifar10,cifar100,formulas] [--seeds 20] [--results FILE] [NAME ...]

An evaluation is one noisy training of the table (see tables.py), that of the named points first; the choice is the best
noisy validation accuracy so far; its regret is the best mean accuracy of the table less its own mean. The same training
is drawn for an architecture in all races of a seed, so that samplers are compared in pairs. FILE keeps every race: what
is in it is not run again, so that a long comparison may be made in parts.

`optuna-tpe` and the like are Optuna's samplers as they come: what they name again is told its known value, and costs
no evaluation.
"""

import argparse
import json
import math
import os
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from tables import TABLES, Table

from formulanas.errors import InputError
from formulanas.search.samplers.catalogue import SAMPLERS, OptunaSampler, find_sampler
from formulanas.search.study.proposer import Proposer, optuna_sampler
from formulanas.search.study.study import Study
from formulanas.search.study.trial import OpenTrial
from formulanas.seeds import derive_seed

AS_IT_COMES = "optuna-"


@dataclass(frozen=True)
class Race:
    """One search: the regret at each budget, how many architectures were trained twice, and the time of a proposal."""

    regrets: list[float]
    trained_twice: int
    ask_seconds: float


def race(table: str, sampler: str, seed: int, batch: int = 1) -> Race:
    """A search up to the table's last budget, `batch` evaluations under way at a time."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = TABLES[table]
    study = Study()
    study.enqueue(space.points)
    found = find_sampler(sampler.removeprefix(AS_IT_COMES))
    asked: Study | Proposer = Proposer(study, space, found, derive_seed(seed, "race"))
    if isinstance(found, OptunaSampler) and sampler.startswith(AS_IT_COMES):
        study.optuna.sampler = optuna_sampler(found, derive_seed(seed, "race"))
        asked = study
    values: dict[str, float | None] = {}
    regrets: list[float] = []
    trained: list[str] = []
    ask_seconds, best, regret = 0.0, -math.inf, math.inf
    while len(regrets) < space.budgets[-1]:
        under_way: list[tuple[str, OpenTrial]] = []
        while len(under_way) < min(batch, space.budgets[-1] - len(regrets)):
            started = time.perf_counter()
            trial = asked.ask()
            assert trial is not None
            bound = trial.choose(space)
            ask_seconds += time.perf_counter() - started
            try:
                key = space.key(bound)
            except InputError:
                study.end(trial, "PRUNED")  # as what is rejected before training
                continue
            trial.keep(key=key)
            if asked is study and (key in values or key in dict(under_way)):
                value = values.get(key)
                study.end(trial, "FAIL" if value is None else "COMPLETE", accuracy=value)
                continue
            under_way.append((key, trial))
        for key, trial in under_way:
            value = values[key] = random.Random(derive_seed(seed, key)).choice(space.accuracies[key])
            trained.append(key)
            study.end(trial, "FAIL" if value is None else "COMPLETE", accuracy=value)
            if value is not None and value > best:
                best, regret = value, space.regret(key)
            regrets.append(regret)
    chosen = [regrets[budget - 1] for budget in space.budgets]
    return Race(chosen, len(trained) - len(set(trained)), ask_seconds / len(trained))


def paired_p_value(first: list[float], second: list[float], num_draws: int = 20_000) -> float:
    """The one-sided p-value that `first` is lower than `second`, by random signs of their paired differences."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    generator = random.Random(0)
    observed = sum(differences)
    lower = sum(
        sum(each if generator.getrandbits(1) else -each for each in differences) <= observed for _ in range(num_draws)
    )
    return (lower + 1) / (num_draws + 1)


def show(table: str, name: str, races: list[Race]) -> None:
    """Prints the mean regrets of a sampler with their standard errors."""
    budgets: Table = TABLES[table]
    columns = list(zip(*(each.regrets for each in races), strict=True))
    shown = "  ".join(
        f"{statistics.mean(each):.2f} ± {statistics.stdev(each) / math.sqrt(len(each)):.2f}" for each in columns
    )
    print(
        f"{table:<9} {name:<14} n {len(races)}  at {', '.join(map(str, budgets.budgets))}: {shown}  "
        f"trained twice {sum(each.trained_twice for each in races)}, "
        f"ask {1000 * statistics.mean(each.ask_seconds for each in races):.1f} ms",
        flush=True,
    )


def main() -> None:
    """Prints one line a sampler and table, then how the first named sampler compares with each other one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="samplers; the first is compared with the others")
    parser.add_argument("--tables", default="cifar10,cifar100,formulas")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=Path, help="a file for every race")
    options = parser.parse_args()
    names = options.names or [name for name in SAMPLERS if name != "gp"]
    results: dict[str, dict[str, Race]] = {}  # by table, sampler and batch, then by seed
    if options.results and options.results.is_file():
        kept = json.loads(options.results.read_text())
        results = {name: {seed: Race(**each) for seed, each in races.items()} for name, races in kept.items()}
    with ProcessPoolExecutor(options.processes) as pool:
        for table in options.tables.split(","):
            found: dict[str, list[Race]] = {}
            for name in names:
                races = results.setdefault(f"{table} {name} {options.batch}", {})
                missing = [seed for seed in range(options.seeds) if str(seed) not in races]
                waiting = {seed: pool.submit(race, table, name, seed, options.batch) for seed in missing}
                races.update({str(seed): each.result() for seed, each in waiting.items()})
                found[name] = [races[str(seed)] for seed in range(options.seeds)]
                show(table, name, found[name])
                if options.results:
                    plain = {key: {seed: asdict(each) for seed, each in kept.items()} for key, kept in results.items()}
                    options.results.write_text(json.dumps(plain))
            for other in names[1:]:
                pairs = zip(
                    *(zip(*(each.regrets for each in found[name]), strict=True) for name in (names[0], other)),
                    strict=True,
                )
                shown = ", ".join(f"{paired_p_value(list(a), list(b)):.4f}" for a, b in pairs)
                print(f"{table:<9} {names[0]} below {other}: one-sided paired p {shown}", flush=True)


if __name__ == "__main__":
    main()
