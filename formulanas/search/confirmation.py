"""The confirmation: the best candidates trained again, longer, with fresh seeds, so that no winner is a lucky draw."""

from collections.abc import Iterable
from dataclasses import dataclass

from formulanas.architecture.backbone import Backbone
from formulanas.progress import Progress
from formulanas.recipe import Recipe
from formulanas.search.executors.task import MAX_RETRIES, Message, Task
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.settings import ConfirmSettings
from formulanas.seeds import derive_seed
from formulanas.store.runs import Run, with_changes
from formulanas.store.trials import ConfirmationRecord, TrialRecord, completed, confirmation_file, write_confirmation


@dataclass(frozen=True)
class Confirmation:
    """One training of one candidate; `draw` counts its seeds. All candidates share the split of a draw."""

    key: str
    formula: str
    backbone: Backbone
    draw: int


def confirmation_recipe(proxy: Proxy, settings: ConfirmSettings) -> Recipe:
    """The proxy's recipe, stretched."""
    return proxy.recipe.scaled(max(1, round(proxy.recipe.epochs * settings.factor)))


def choose(trials: Iterable[TrialRecord], settings: ConfirmSettings, proxy_backbone: Backbone) -> list[Confirmation]:
    """The trainings that confirm the best candidates of ended `trials`, the best named points, and some for the audit.

    Those for the audit are spread evenly over the rest of the proxy's order, so that it can be judged as a whole.
    """
    done = sorted(completed(trials), key=lambda trial: (-trial.value, trial.number))
    within = [trial for trial in done if not trial.beyond]
    chosen = within[: settings.top] + [trial for trial in done if trial.point][: settings.points]
    rest = [trial for trial in done if trial not in chosen]
    chosen += [rest[round(at * (len(rest) - 1) / max(1, settings.audit - 1))] for at in range(settings.audit) if rest]
    candidates = {trial.key: trial for trial in chosen}
    return [
        Confirmation(key, trial.formula, with_changes(proxy_backbone, trial.backbone), draw)
        for key, trial in candidates.items()
        for draw in range(settings.seeds)
    ]


class Confirmations:
    """What of `todo` has no result yet, as tasks known by their places in it; each result is written at once."""

    def __init__(self, run: Run, seed: int, recipe: Recipe, todo: list[Confirmation], progress: Progress) -> None:
        self.run, self.seed, self.recipe, self.todo, self.progress = run, seed, recipe, todo, progress
        self.waiting = [
            place for place, each in enumerate(todo) if not confirmation_file(run, each.key, each.draw).is_file()
        ]
        self.retries = dict.fromkeys(self.waiting, 0)
        self.seconds: dict[int, float] = {}
        self.values: dict[int, float | None] = {}

    def next(self) -> Task | None:
        """The next training."""
        if not self.waiting:
            return None
        place = self.waiting.pop(0)
        each = self.todo[place]
        self.seconds[place], self.values[place] = 0.0, None
        self.progress.status(f"confirming {each.formula}")
        return Task(
            number=place,
            name=f"confirm seed {each.draw + 1}  {each.key}  {each.formula}",
            formula=each.formula,
            backbone=each.backbone,
            recipe=self.recipe,
            seed=derive_seed(self.seed, "confirm", each.key, each.draw),
            split_seed=derive_seed(self.seed, "confirm", "split", each.draw),
        )

    def handle(self, number: int, message: Message) -> bool:
        """Takes in what a worker says of a training."""
        each = self.todo[number]
        if message.kind == "epoch":
            assert message.metrics is not None
            self.values[number] = message.metrics.validation_accuracy
            self.seconds[number] += message.metrics.seconds
            self.progress.advance(1)
            return True
        if message.kind == "died" and self.retries[number] < MAX_RETRIES:
            self.retries[number] += 1
            self.waiting.insert(0, number)
            return False
        record = ConfirmationRecord(
            key=each.key,
            formula=each.formula,
            draw=each.draw,
            epochs=self.recipe.epochs,
            recipe=self.recipe.digest,
            value=self.values[number] if message.kind == "done" else None,
            seconds=round(self.seconds[number], 2),
            reason=message.reason,
        )
        write_confirmation(self.run, record)
        value = "failed" if record.value is None else f"{100 * record.value:.1f} %"
        draw = f"confirm seed {each.draw + 1}  {value}  {record.seconds:4.0f} s"
        self.progress.line(f"{draw}  {each.formula}{self.progress.left}")
        return False
