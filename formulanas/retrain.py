"""Retraining: a formula over a full-size backbone, through a full schedule, the test set opened once at the end."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone, backbone
from formulanas.data.catalogue import DEFAULT_DATA_DIR, dataset, fetch, is_present
from formulanas.data.test_set import read_test_set
from formulanas.data.training_set import read_training_set
from formulanas.errors import InputError
from formulanas.formula.bind import Value, bind
from formulanas.network.network import build
from formulanas.recipe import Recipe, recipe
from formulanas.records import (
    from_mapping,
    read_json,
    read_lines,
    read_yaml,
    to_plain,
    write_json,
    write_lines,
    write_yaml,
)
from formulanas.report.progress import Reporter
from formulanas.seeds import derive_seed
from formulanas.store import RETRAIN_FILE, RUNS_DIR, WEIGHTS_FILE, Target, locked, resolve
from formulanas.training import checkpoint
from formulanas.training.evaluate import evaluate
from formulanas.training.training import EpochMetrics, Training

CHECKPOINT_MINUTES = 2.0
DEFAULT_BACKBONE = "cifar-resnet-20"
RESULT_FILE, METRICS_FILE = "result.json", "metrics.jsonl"


@dataclass(frozen=True)
class Retraining:
    """What a retraining is, every setting resolved; kept in its folder."""

    name: str
    formula: str
    backbone_name: str
    backbone: Backbone
    dataset: str
    data_dir: str
    recipe_name: str
    recipe: Recipe
    seed: int
    schema: int = 1


@dataclass(frozen=True)
class Result:
    """The outcome of a retraining: shares of the test images, opened once."""

    folder: str
    top1: float
    top5: float
    test_images: int
    params: int
    macs: int
    epochs: int
    recipe: str  # the recipe's digest
    seed: int
    seconds: float
    finished: str


def retrain(
    target: str,
    *,
    values: Mapping[str, Value] | None = None,
    backbone_name: str | None = None,
    dataset_name: str | None = None,
    recipe_name: str = "cifar",
    epochs: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    resume: bool = False,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    console: Console | None = None,
) -> Result:
    """Trains what `target` names through a full recipe and evaluates it on the test set.

    Kept in runs/RUN/retrain/ or, for a formula, in runs/retrained/; `resume` goes on from the last
    checkpoint, to the same final weights as without the interruption.
    """
    console = console or Console(stderr=True)
    found = resolve(target, values)
    folder, settings, reason = _settle(found, backbone_name, dataset_name, recipe_name, epochs, seed, data_dir)
    if folder.exists() and not resume:
        raise InputError(
            f"{folder} exists; go on with it by --resume, or choose another --seed, --epochs or --backbone"
        )
    if (folder / RESULT_FILE).is_file():
        return from_mapping(Result, read_json(folder / RESULT_FILE), str(folder / RESULT_FILE))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if (folder / RETRAIN_FILE).is_file():
            settings = from_mapping(Retraining, read_yaml(folder / RETRAIN_FILE), str(folder / RETRAIN_FILE))
        else:
            write_yaml(folder / RETRAIN_FILE, to_plain(settings))
        return _Job(folder, settings, checkpoint_minutes, console).execute(reason)


def _settle(
    found: Target,
    backbone_name: str | None,
    dataset_name: str | None,
    recipe_name: str,
    epochs: int | None,
    seed: int,
    data_dir: str | Path | None,
) -> tuple[Path, Retraining, str]:
    """The folder of a retraining, its settings, and why this data set."""
    directory = DEFAULT_DATA_DIR if data_dir is None else Path(data_dir)
    if data_dir is not None and not directory.is_dir():
        raise InputError(f"there is no data directory {directory}; make it, and missing data is downloaded there")
    reason = "as asked"
    if dataset_name is None and found.dataset is not None:
        dataset_name, reason = found.dataset, "the search's own"
    elif dataset_name is None:
        dataset_name = "cifar10" if is_present("cifar10", directory) else "cifar10-mini"
        reason = f"CIFAR-10 is {'' if dataset_name == 'cifar10' else 'not '}in {directory}"
    dataset(dataset_name)
    chosen = recipe(recipe_name)
    if epochs is not None:
        chosen = chosen.scaled(epochs)
    backbone_name = backbone_name or DEFAULT_BACKBONE
    settings = Retraining(
        name=found.name or found.recursion.key,
        formula=found.recursion.text,
        backbone_name=backbone_name,
        backbone=backbone(backbone_name),
        dataset=dataset_name,
        data_dir=str(directory),
        recipe_name=recipe_name,
        recipe=chosen,
        seed=seed,
    )
    parent = RUNS_DIR / "retrained" if found.run is None else found.run.folder / "retrain"
    label = found.recursion.key if found.run is not None or not found.name else found.name
    return (
        parent / f"{label}-{backbone_name}-{dataset_name}-{recipe_name}-{chosen.epochs}-seed{seed}",
        settings,
        reason,
    )


class _Job:
    def __init__(self, folder: Path, settings: Retraining, checkpoint_minutes: float, console: Console) -> None:
        self.folder, self.settings, self.console = folder, settings, console
        self.checkpoint_seconds = 60 * checkpoint_minutes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.saved = time.monotonic()

    def execute(self, reason: str) -> Result:
        settings, recipe = self.settings, self.settings.recipe
        fetch(settings.dataset, Path(settings.data_dir))
        data = read_training_set(settings.dataset, Path(settings.data_dir)).to(self.device)
        architecture = Architecture(bind(settings.formula), settings.backbone, data.shape, data.num_classes)
        training = Training(build(architecture, derive_seed(settings.seed, "weights")), data, recipe, settings.seed)
        say = self.say
        say(f"[bold]{settings.name}[/bold]  {escape(settings.formula)}")
        say(f"network   {settings.backbone_name}, {architecture.plan.num_params:,} parameters, {self.device}")
        say(f"data      {settings.dataset}: {reason}; all {len(data):,} training images, no validation")
        say(f"recipe    {settings.recipe_name}, {recipe.epochs} epochs, seed {settings.seed}; in {self.folder}")
        metrics = self.restore(training)
        with Reporter(self.console, training.num_steps) as reporter:
            reporter.advance(training.step)

            def after_step() -> None:
                reporter.advance(1)
                if time.monotonic() - self.saved > self.checkpoint_seconds:
                    self.save(training)

            for epoch in training.run(after_step=after_step):
                metrics.append(asdict(epoch))
                write_lines(self.folder / METRICS_FILE, metrics)
                line = self.epoch_line(epoch)
                reporter.status(line)
                if reporter.bar is None:
                    reporter.line(f"{line}  ({reporter.left})")
        self.save(training)
        torch.save(training.network.state_dict(), self.folder / WEIGHTS_FILE)
        test = evaluate(training.network, read_test_set(settings.dataset, Path(settings.data_dir)).to(self.device))
        result = Result(
            folder=str(self.folder),
            top1=test.top1,
            top5=test.top5,
            test_images=test.num_images,
            params=architecture.plan.num_params,
            macs=architecture.plan.macs,
            epochs=recipe.epochs,
            recipe=recipe.digest,
            seed=settings.seed,
            seconds=round(sum(epoch["seconds"] for epoch in metrics), 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_json(self.folder / RESULT_FILE, asdict(result))
        checkpoint.remove(self.folder)
        return result

    def restore(self, training: Training) -> list[dict[str, Any]]:
        """Goes on from the newest readable checkpoint; the metrics of the epochs before it."""
        state, messages = checkpoint.load(self.folder, self.device)
        for message in messages:
            self.say(f"[yellow]{message}[/yellow]")
        if state is None:
            return []
        training.restore(state)
        done = training.step // training.steps_an_epoch
        self.say(f"resumed   at step {training.step:,} of {training.num_steps:,}, {done} epochs done")
        return [line for line in read_lines(self.folder / METRICS_FILE) if line["epoch"] <= done]

    def save(self, training: Training) -> None:
        checkpoint.save(self.folder, training.state())
        self.saved = time.monotonic()

    def epoch_line(self, epoch: EpochMetrics) -> str:
        return (
            f"epoch {epoch.epoch}/{self.settings.recipe.epochs}  loss {epoch.train_loss:.3f}  "
            f"training accuracy {100 * epoch.train_accuracy:.1f} %  {epoch.seconds:.0f} s"
        )

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)
