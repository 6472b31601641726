"""The confirmation: the best candidates trained again, longer, with fresh seeds, so that no winner is a lucky draw."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from formulanas.recipe import Recipe
from formulanas.records import read_json, write_json
from formulanas.report.progress import Reporter
from formulanas.search.driver import MAX_RETRIES, POLL_SECONDS
from formulanas.search.pool import WorkerPool
from formulanas.search.proxy import Proxy
from formulanas.search.space import ConfirmSettings
from formulanas.search.worker import Task
from formulanas.seeds import derive_seed
from formulanas.store import Run

FOLDER = "confirm"


@dataclass(frozen=True)
class Confirmation:
    """One training of one candidate; `draw` counts its seeds. All candidates share the split of a draw."""

    key: str
    formula: str
    draw: int

    def path(self, run: Run) -> Path:
        """Where its result is kept."""
        return run.folder / FOLDER / f"{self.key}-{self.draw}.json"


def confirmation_recipe(proxy: Proxy, settings: ConfirmSettings) -> Recipe:
    """The proxy's recipe, stretched."""
    return proxy.recipe.scaled(max(1, round(proxy.recipe.epochs * settings.factor)))


def choose(trials: Iterable[Mapping[str, Any]], settings: ConfirmSettings) -> list[Confirmation]:
    """The trainings that confirm the best candidates of ended `trials`, and the best published point among them."""
    done = [trial for trial in trials if trial["state"] == "COMPLETE" and trial["duplicate_of"] is None]
    done.sort(key=lambda trial: (-trial["value"], trial["number"]))
    chosen = done[: settings.top]
    chosen += [trial for trial in done if trial["point"]][:1]
    candidates = {trial["key"]: trial["formula"] for trial in chosen}
    return [Confirmation(key, text, draw) for key, text in candidates.items() for draw in range(settings.seeds)]


def read_confirmations(run: Run) -> list[dict[str, Any]]:
    """The results so far."""
    return [read_json(path) for path in sorted((run.folder / FOLDER).glob("*.json"))]


def confirm(
    run: Run,
    proxy: Proxy,
    seed: int,
    recipe: Recipe,
    todo: list[Confirmation],
    pool: WorkerPool[int],
    reporter: Reporter,
) -> None:
    """Trains what of `todo` has no result yet, and writes each result when it is there."""
    waiting = [place for place, each in enumerate(todo) if not each.path(run).is_file()]
    retries = dict.fromkeys(waiting, 0)
    seconds = dict.fromkeys(waiting, 0.0)
    values: dict[int, float | None] = dict.fromkeys(waiting)
    while waiting or pool.num_busy:
        while waiting and pool.num_idle:
            place = waiting.pop(0)
            each = todo[place]
            seconds[place], values[place] = 0.0, None
            own, split = derive_seed(seed, FOLDER, each.key, each.draw), derive_seed(seed, FOLDER, "split", each.draw)
            pool.submit(place, Task(each.formula, recipe, own, split))
        for place, message in pool.messages(POLL_SECONDS):
            each = todo[place]
            if message.kind == "epoch" and message.metrics is not None:
                values[place] = message.metrics.validation_accuracy
                seconds[place] += message.metrics.seconds
                reporter.advance(1)
                reporter.status(f"confirming {escape(each.formula)}")
                pool.answer(place, True)
            elif message.kind == "died" and retries[place] < MAX_RETRIES:
                retries[place] += 1
                waiting.insert(0, place)
            else:
                value = values[place] if message.kind == "done" else None
                document = {
                    "schema": 1,
                    "key": each.key,
                    "formula": each.formula,
                    "draw": each.draw,
                    "epochs": recipe.epochs,
                    "recipe": recipe.digest,
                    "value": value,
                    "seconds": round(seconds[place], 2),
                    "reason": message.reason,
                }
                write_json(each.path(run), document)
                shown = "failed" if value is None else f"{100 * value:.1f} %"
                left = "" if reporter.bar is not None else f"  ({reporter.left})"
                reporter.line(
                    f"confirm seed {each.draw + 1}  {shown}  {seconds[place]:4.0f} s  {escape(each.formula)}{left}"
                )
