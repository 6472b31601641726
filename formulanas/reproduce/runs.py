"""The runs behind a table: networks x data sets x seeds, the whole table or a shortened version of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.data.catalogue import EMBEDDED, dataset
from formulanas.errors import InputError, unknown_name
from formulanas.formula.published import bind_formula
from formulanas.recipe import Recipe, recipe
from formulanas.reproduce.tables import Table, Training

WHOLE = "cifar10"  # for which the embedded images may stand in, which are a part of it


@dataclass(frozen=True)
class Run:
    """One training of one network; `column_dataset` is that of the table, for which `dataset` may stand in."""

    network: str
    formula: str
    backbone_name: str
    dataset: str
    column_dataset: str
    recipe_name: str
    epochs: int | None  # None: those of the recipe
    seed: int
    ten_crops: bool = False

    @property
    def recipe(self) -> Recipe:
        """The recipe with its schedule shortened or stretched as asked."""
        full = recipe(self.recipe_name)
        return full if self.epochs is None else full.scaled(self.epochs)

    @property
    def obstacle(self) -> str:
        """Why this network cannot be trained by name, or nothing."""
        try:
            backbone(self.backbone_name)
        except InputError:
            return f"no backbone is named {self.backbone_name}"
        return ""

    @property
    def backbone(self) -> Backbone:
        """The backbone. Raises InputError where there is none of its name."""
        return backbone(self.backbone_name)

    @property
    def macs(self) -> int:
        """The multiply-accumulates of the network on an image."""
        return _macs(self.formula, self.backbone_name, self.dataset)


@cache
def _macs(formula: str, backbone_name: str, dataset_name: str) -> int:
    images = dataset(dataset_name)
    return Architecture(bind_formula(formula), backbone(backbone_name), images.shape, images.num_classes).plan.macs


@dataclass(frozen=True)
class Asked:
    """Which runs of a table: all, or those of some networks or one data set, or the first `limit`.

    `epochs`, and the embedded images in place of CIFAR-10, make a shortened version, whose runs are runs of their own.
    """

    epochs: int | None = None
    dataset: str | None = None
    networks: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether these are all rows of the table."""
        return not self.networks and self.limit is None

    def select(self, table: Table) -> tuple[Run, ...]:
        """The runs asked for: data set by data set, seed by seed, so that an early stop leaves something to compare."""
        named = [row.name for row in table.rows if row.network]
        for name in self.networks:
            if name not in named:
                raise InputError(f"{unknown_name(f'network of {table.name}', name, named)} (--network)")
        runs: list[Run] = []
        for column_dataset, training in self._datasets(table).items():
            rows = [row for row in table.rows if any(each.dataset == column_dataset for each in row.figures)]
            chosen = [
                (row, row.network, training.seeds if row.seeds is None else row.seeds)
                for row in rows
                if row.network and (not self.networks or row.name in self.networks)
            ]
            for seed in sorted({seed for _, _, seeds in chosen for seed in seeds}):
                runs += [
                    Run(
                        network=row.name,
                        formula=network.formula,
                        backbone_name=network.backbone,
                        dataset=EMBEDDED if self.dataset == EMBEDDED else column_dataset,
                        column_dataset=column_dataset,
                        recipe_name=training.recipe,
                        epochs=self.epochs,
                        seed=seed,
                        ten_crops=any(
                            each.dataset == column_dataset and each.measure == "ten_crop" for each in row.figures
                        ),
                    )
                    for row, network, seeds in chosen
                    if seed in seeds
                ]
        return tuple(runs[: self.limit])

    def _datasets(self, table: Table) -> dict[str, Training]:
        if self.dataset is None:
            return dict(table.datasets)
        column_dataset = WHOLE if self.dataset == EMBEDDED else self.dataset
        if column_dataset not in table.datasets:
            stands_in = f"; {EMBEDDED} stands in for {WHOLE}" if self.dataset == EMBEDDED else ""
            known = ", ".join(table.datasets)
            raise InputError(
                f"the data sets of {table.name} are {known}, but got {self.dataset}{stands_in} (--dataset)"
            )
        return {column_dataset: table.datasets[column_dataset]}


def shortening(runs: Sequence[Run]) -> str:
    """How the runs differ from those of the paper, or nothing."""
    parts = []
    full = sorted({recipe(run.recipe_name).epochs for run in runs if run.recipe != replace(run, epochs=None).recipe})
    if full:
        epochs = runs[0].epochs
        usual = " or ".join(map(str, full))
        parts.append(f"{epochs} epoch{'' if epochs == 1 else 's'} instead of {usual}")
    if any(run.dataset != run.column_dataset for run in runs):
        parts.append(f"{EMBEDDED} in place of {WHOLE}")
    return ", ".join(parts)
