"""The one training loop: a network, images and a recipe in, metrics out epoch by epoch."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from formulanas.data.augment import AugmentedImages
from formulanas.data.images import LabelledImages
from formulanas.network.network import Network
from formulanas.recipe import Recipe
from formulanas.seeds import derive_seed
from formulanas.training.evaluate import evaluate
from formulanas.training.schedules import learning_rate


class DivergedError(Exception):
    """The loss of a training is no longer a number."""


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch, counted from 1, came to; the validation is None where nothing was held out."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class Training:
    """A network on its way through a recipe; it can be saved after any step and goes on exactly from there.

    All chance is a function of (seed, epoch), so that the position in the data is the whole of its state.
    """

    def __init__(self, network: Network, data: LabelledImages, recipe: Recipe, seed: int) -> None:
        self.device = data.images.device
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data, self.recipe, self.seed = data, recipe, seed
        self.images = AugmentedImages(data, recipe.crop_padding, recipe.flip)
        self.steps_an_epoch = -(-len(data) // recipe.batch_size)
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = recipe.norm_momentum
        self.step = 0
        self.seconds = 0.0  # of this epoch, over all runs
        self.totals = torch.zeros(2, dtype=torch.float64, device=self.device)  # loss and hits of this epoch

    @property
    def num_steps(self) -> int:
        """The steps of the whole training."""
        return self.steps_an_epoch * self.recipe.epochs

    def run(
        self, validation: LabelledImages | None = None, after_step: Callable[[], None] | None = None
    ) -> Iterator[EpochMetrics]:
        """Trains to the end of the recipe, yielding after every epoch.

        Raises DivergedError at the end of an epoch whose loss is not finite.
        """
        while self.step < self.num_steps:
            epoch, done = divmod(self.step, self.steps_an_epoch)
            batches = self.images.epoch(self.recipe.batch_size, derive_seed(self.seed, "epoch", epoch))
            started = time.perf_counter()
            for batch in range(done, self.steps_an_epoch):
                self.train_step(*batches[batch])
                if after_step is not None:
                    self.seconds += time.perf_counter() - started
                    after_step()
                    started = time.perf_counter()
            loss, hits = (self.totals / len(self.data)).tolist()
            self.totals.zero_()
            if not math.isfinite(loss):
                raise DivergedError(f"the training loss is {loss} in epoch {epoch + 1}")
            held_out = None if validation is None else evaluate(self.network, validation)
            seconds = self.seconds + time.perf_counter() - started
            self.seconds = 0.0
            yield EpochMetrics(
                epoch + 1,
                loss,
                hits,
                None if held_out is None else held_out.loss,
                None if held_out is None else held_out.top1,
                seconds,
            )

    def train_step(self, images: Tensor, labels: Tensor) -> None:
        """One step of the optimizer on images (B, C, H, W) and labels (B,)."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step, self.num_steps)
        with self.chance(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network(images)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            hits = (logits.argmax(1) == labels).sum()
            self.totals += torch.stack((loss.double() * len(labels), hits.double()))
        self.step += 1

    @contextmanager
    def chance(self) -> Iterator[None]:
        """What a network draws in this step is a function of (seed, step); global generators stay as they were."""
        if not self.network.has_chance:
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(derive_seed(self.seed, "step", self.step))
            yield

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "totals": self.totals,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state` of the same training."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.totals = state["totals"].to(self.device)
