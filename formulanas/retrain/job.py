"""A retraining at work: trains, saves itself, tells how it goes, and opens the test set when all is done."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from formulanas.architecture.architecture import Architecture
from formulanas.data.images import TrainingImages
from formulanas.data.stream import ImageStream, Reading
from formulanas.data.test_set import open_test_images
from formulanas.data.training_set import open_training_images
from formulanas.errors import InputError
from formulanas.network.fusion import fuse_where_faster
from formulanas.network.network import Network, build
from formulanas.progress import Progress, Styled
from formulanas.records import write_lines, write_record
from formulanas.retrain.settings import Options, Settled, default_decoders
from formulanas.seeds import derive_seed
from formulanas.store.models import RESULT_FILE, RETRAIN_FILE, WEIGHTS_FILE, Result
from formulanas.training import checkpoint
from formulanas.training.branch_parallel import train_on_two
from formulanas.training.data_parallel import ALONE, Place, distribute
from formulanas.training.evaluate import evaluate
from formulanas.training.training import EpochMetrics, Training

METRICS_FILE = "metrics.jsonl"


class Job:
    """A retraining in its folder; `execute` begins it or goes on with it.

    Of several processes that train together, each has a job and its `place`; only the first writes.
    """

    def __init__(self, settled: Settled, options: Options, progress: Progress, place: Place = ALONE) -> None:
        self.settled, self.progress, self.place = settled, progress, place
        self.say = progress.line
        self.folder, self.settings = settled.folder, settled.settings
        self.checkpoint_seconds = 60 * options.checkpoint_minutes
        self.device = place.device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        decoders, settings = options.decoders, self.settings
        decoders = default_decoders() if decoders is None else decoders
        self.reading = Reading(decoders, settings.skip_broken, settings.ten_crops, self.warn)
        self.saved = time.monotonic()
        self.metrics: list[dict[str, Any]] = []

    def execute(self) -> Result:
        """Trains what is left to train, and evaluates."""
        return self.finish(self.train_all())

    def train_all(self) -> Network:
        """Trains what is left to train."""
        images = self.open(0)
        architecture = self.architecture(images)
        self.introduce(architecture, len(images))
        network = build(architecture, derive_seed(self.settings.seed, "weights"))
        torch.backends.cudnn.benchmark = True
        state = self.read_checkpoint()
        begin = 0 if state is None else state["phase"]
        for phase in range(begin, len(self.settings.recipes)):
            if phase:
                self.say(f"fixres    head and norms at {self.settings.recipes[phase].image_size} pixels")
            training = self.prepare(phase, network, images if phase == 0 else self.open(phase))
            if state is not None and phase == begin:
                self.restore(training, state)
            self.train(phase, training)
            network = training.result.requires_grad_(True)
        return network

    def finish(self, network: Network) -> Result:
        """Keeps the weights, evaluates them, and keeps the result."""
        torch.save(network.state_dict(), self.folder / WEIGHTS_FILE)
        result = self.evaluate(network)
        write_record(self.folder / RESULT_FILE, result)
        checkpoint.remove(self.folder)
        return result

    def open(self, phase: int) -> TrainingImages:
        """The training images of one of the trainings."""
        settings = self.settings
        recipe = settings.recipes[phase]
        return open_training_images(settings.dataset, Path(settings.data_dir), recipe, self.device, self.reading)

    def architecture(self, images: TrainingImages) -> Architecture:
        """The network for these images; what the data decide is kept among the settings."""
        if isinstance(images, ImageStream):
            size = self.settings.recipe.image_size
            self.settings = replace(self.settings, num_classes=images.num_classes, image_size=size)
            if self.place.is_first:
                write_record(self.folder / RETRAIN_FILE, self.settings)
        return self.settings.architecture

    def prepare(self, phase: int, network: Network, images: TrainingImages) -> Training:
        """The training of one phase, at its start."""
        settings = self.settings
        seed = settings.seed if phase == 0 else derive_seed(settings.seed, "phase", phase)
        training = Training(network, images, settings.recipes[phase], seed, settings.accumulate, self.place.part)
        self.arrange_branches(training, images)
        if self.place.number > 1:
            distribute(training)
        if settings.compiled:
            training.forward = torch.compile(training.forward)
        return training

    def arrange_branches(self, training: Training, images: TrainingImages) -> None:
        """Lets the functions of a block run as was asked."""
        match self.settings.branches:
            case "fused":
                batch = next(iter(images.batches(training.recipe.batch_size, seed=0)))[0]
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                    measured = fuse_where_faster(training.network, batch)
                faster = [each.median for each in measured if each.is_faster]
                gain = f", {min(faster):.2f} to {max(faster):.2f} times as fast" if faster else ""
                self.say(f"branches  {len(faster)} of {len(measured)} groups of functions run fused{gain}")
            case "two-devices":
                if (gpus := torch.cuda.device_count()) < 2:
                    raise InputError(f"two-devices needs 2 GPUs, but there are {gpus} (--branches)")
                train_on_two(training, torch.device("cuda:1"))
                self.say("branches  half of each block's functions run on cuda:1")

    def train(self, phase: int, training: Training) -> None:
        """Trains to the end of a phase, saved after every epoch and every few minutes."""
        progress = self.progress
        with progress.working(training.num_steps):
            progress.advance(training.step)

            def after_step() -> None:
                progress.advance(1)
                if time.monotonic() - self.saved > self.checkpoint_seconds:
                    self.save(phase, training)

            for epoch in training.run(after_step=after_step):
                self.metrics.append(asdict(epoch) if phase == 0 else {"phase": phase, **asdict(epoch)})
                self.save(phase, training)
                line = self.epoch_line(epoch, training.recipe.epochs)
                progress.status(line)
                if not progress.is_live:
                    progress.line(line, progress.left)

    def evaluate(self, network: Network) -> Result:
        """The test set, opened once."""
        settings = self.settings
        recipe = settings.recipes[-1]
        images = open_test_images(settings.dataset, Path(settings.data_dir), recipe, self.device, self.reading)
        test = evaluate(network, images)
        return Result(
            folder=str(self.folder),
            top1=test.top1,
            top5=test.top5,
            test_images=test.num_images,
            params=network.architecture.plan.num_params,
            macs=network.architecture.plan.macs,
            epochs=settings.recipe.epochs,
            recipe=settings.digest,
            seed=settings.seed,
            seconds=round(sum(epoch["seconds"] for epoch in self.metrics), 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            ten_crop_top1=test.ten_crop_top1,
            ten_crop_top5=test.ten_crop_top5,
        )

    def read_checkpoint(self) -> dict[str, Any] | None:
        """The newest readable checkpoint."""
        state, messages = checkpoint.load(self.folder, self.device)
        for message in messages:
            self.warn(message)
        return state

    def restore(self, training: Training, state: Mapping[str, Any]) -> None:
        """Goes on from a checkpoint; what it tells of the epochs before replaces what was written since."""
        training.restore(state["training"])
        self.metrics = state["metrics"]
        if self.place.is_first:
            write_lines(self.folder / METRICS_FILE, self.metrics)
        self.say(f"resumed   at step {training.step:,} of {training.num_steps:,}, {training.epochs_done} epochs done")

    def save(self, phase: int, training: Training) -> None:
        """Writes a checkpoint, which holds everything, and the metrics."""
        if self.place.is_first:
            checkpoint.save(self.folder, {"phase": phase, "training": training.state(), "metrics": self.metrics})
            write_lines(self.folder / METRICS_FILE, self.metrics)
        self.saved = time.monotonic()

    def introduce(self, architecture: Architecture, num_images: int) -> None:
        """The first lines: what is trained on what, and how it differs from the backbones that it is compared with."""
        settings, recipe, say = self.settings, self.settings.recipe, self.say
        reason, compared = self.settled.reason, self.settled.compared
        say(Styled(settings.name, "bold"), f"  {settings.formula}")
        say(f"network   {settings.backbone_name}, {architecture.plan.num_params:,} parameters, {self.device}")
        for name, (backbone, size) in compared.items():
            other = replace(architecture, backbone=backbone, image=(architecture.image[0], size, size))
            say(f"          {name}: {measures(other)}")
        if compared:
            say(f"          now: {measures(architecture)}")
        if "unscaled" in compared and settings.image_size is None:
            say(f"          the images of {settings.dataset} keep their {architecture.image[1]} pixels a side")
        say(f"data      {settings.dataset}: {reason}; all {num_images:,} training images, no validation")
        say(f"recipe    {settings.recipe_name}, {recipe.epochs} epochs, seed {settings.seed}; in {self.folder}")

    def epoch_line(self, epoch: EpochMetrics, epochs: int) -> str:
        """An epoch in a line."""
        return (
            f"epoch {epoch.epoch}/{epochs}  loss {epoch.train_loss:.3f}  "
            f"training accuracy {100 * epoch.train_accuracy:.1f} %  {epoch.seconds:.0f} s"
        )

    def warn(self, text: str) -> None:
        """A line that should not be overlooked."""
        self.say(Styled(text, "warning"))


def measures(architecture: Architecture) -> str:
    """Widths, depths, image and cost of a network, in a line."""
    backbone, plan = architecture.backbone, architecture.plan
    widths, depths = ("-".join(map(str, each)) for each in (backbone.widths, backbone.depths))
    return (
        f"widths {widths}, depths {depths}, {architecture.image[1]} pixels: {plan.num_params:,} parameters, "
        f"{plan.macs:,} multiply-accumulates"
    )
