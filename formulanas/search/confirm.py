"""The confirmation: the best candidates trained again, longer, with fresh seeds, so that no winner is a lucky draw."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formulanas.architecture.backbone import Backbone
from formulanas.progress import Progress
from formulanas.recipe import Recipe
from formulanas.records import read_json, write_json
from formulanas.search.executors.work import MAX_RETRIES, Message, Task
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.settings import ConfirmSettings
from formulanas.seeds import derive_seed
from formulanas.statistics.leaderboard import completed
from formulanas.store.runs import Run, with_changes

FOLDER = "confirm"


@dataclass(frozen=True)
class Confirmation:
    """One training of one candidate; `draw` counts its seeds. All candidates share the split of a draw."""

    key: str
    formula: str
    backbone: Backbone
    draw: int

    def path(self, run: Run) -> Path:
        """Where its result is kept."""
        return run.folder / FOLDER / f"{self.key}-{self.draw}.json"


def confirmation_recipe(proxy: Proxy, settings: ConfirmSettings) -> Recipe:
    """The proxy's recipe, stretched."""
    return proxy.recipe.scaled(max(1, round(proxy.recipe.epochs * settings.factor)))


def choose(
    trials: Iterable[Mapping[str, Any]], settings: ConfirmSettings, proxy_backbone: Backbone
) -> list[Confirmation]:
    """The trainings that confirm the best candidates of ended `trials`, the best named points, and some for the audit.

    Those for the audit are spread evenly over the rest of the proxy's order, so that it can be judged as a whole.
    """
    done = sorted(completed(trials), key=lambda trial: (-trial["value"], trial["number"]))
    within = [trial for trial in done if not trial.get("beyond")]
    chosen = within[: settings.top] + [trial for trial in done if trial["point"]][: settings.points]
    rest = [trial for trial in done if trial not in chosen]
    chosen += [rest[round(at * (len(rest) - 1) / max(1, settings.audit - 1))] for at in range(settings.audit) if rest]
    candidates = {trial["key"]: trial for trial in chosen}
    return [
        Confirmation(key, trial["formula"], with_changes(proxy_backbone, trial["backbone"]), draw)
        for key, trial in candidates.items()
        for draw in range(settings.seeds)
    ]


def read_confirmations(run: Run) -> list[dict[str, Any]]:
    """The results so far."""
    return [read_json(path) for path in sorted((run.folder / FOLDER).glob("*.json"))]


class Confirmations:
    """What of `todo` has no result yet, as work for an executor; each result is written when it is there."""

    def __init__(self, run: Run, seed: int, recipe: Recipe, todo: list[Confirmation]) -> None:
        self.run, self.seed, self.recipe, self.todo = run, seed, recipe, todo
        self.waiting = [place for place, each in enumerate(todo) if not each.path(run).is_file()]
        self.retries = dict.fromkeys(self.waiting, 0)
        self.seconds: dict[int, float] = {}
        self.values: dict[int, float | None] = {}

    def next(self, progress: Progress) -> tuple[int, Task] | None:
        """The next training, known by its place in `todo`."""
        if not self.waiting:
            return None
        place = self.waiting.pop(0)
        each = self.todo[place]
        self.seconds[place], self.values[place] = 0.0, None
        progress.status(f"confirming {each.formula}")
        task = Task(
            name=f"confirm seed {each.draw + 1}  {each.key}  {each.formula}",
            formula=each.formula,
            backbone=each.backbone,
            recipe=self.recipe,
            seed=derive_seed(self.seed, FOLDER, each.key, each.draw),
            split_seed=derive_seed(self.seed, FOLDER, "split", each.draw),
        )
        return place, task

    def handle(self, progress: Progress, number: int, message: Message) -> bool:
        """Takes in what a worker says of a training."""
        if message.kind == "epoch":
            assert message.metrics is not None
            self.values[number] = message.metrics.validation_accuracy
            self.seconds[number] += message.metrics.seconds
            progress.advance(1)
            return True
        if message.kind == "died" and self.retries[number] < MAX_RETRIES:
            self.retries[number] += 1
            self.waiting.insert(0, number)
        else:
            self.write(progress, number, message)
        return False

    def write(self, progress: Progress, number: int, message: Message) -> None:
        each, seconds = self.todo[number], self.seconds[number]
        value = self.values[number] if message.kind == "done" else None
        document = {
            "schema": 1,
            "key": each.key,
            "formula": each.formula,
            "draw": each.draw,
            "epochs": self.recipe.epochs,
            "recipe": self.recipe.digest,
            "value": value,
            "seconds": round(seconds, 2),
            "reason": message.reason,
        }
        write_json(each.path(self.run), document)
        shown = "failed" if value is None else f"{100 * value:.1f} %"
        progress.line(f"confirm seed {each.draw + 1}  {shown}  {seconds:4.0f} s  {each.formula}{progress.left}")
