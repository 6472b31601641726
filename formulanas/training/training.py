"""The one training loop: a network, images and a recipe in, metrics out epoch by epoch."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from formulanas.data.augment import AugmentedImages
from formulanas.data.images import WHOLE, EvaluationImages, LabelledImages, TrainingImages
from formulanas.errors import InputError
from formulanas.network.network import Network
from formulanas.recipe import Recipe
from formulanas.seeds import derive_seed
from formulanas.training.average import Average
from formulanas.training.evaluate import evaluate
from formulanas.training.mixing import losses, mix, one_hot
from formulanas.training.optimizers import optimizer
from formulanas.training.schedules import learning_rate
from formulanas.training.step_graph import StepGraph


class DivergedError(Exception):
    """The loss of a training is no longer a number."""


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch, counted from 1, came to; the validation is None where nothing was held out.

    Where a recipe mixes images, the accuracy is that of naming what the greater part of each was.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class Training:
    """A network on its way through a recipe; it can be saved after any step and goes on exactly from there.

    All chance is a function of (seed, epoch) and (seed, step), so that the position in the data is the whole of its
    state. `accumulate` divides each batch into so many, whose gradients are added; `part` is what of each batch this
    process trains on. `forward` may be replaced by what computes the same, a compiled or a distributed network;
    `unsynchronised` then surrounds the gradients that others follow, and `added_up` are counts over all processes.
    `replayed` records the step of a small network on a GPU as a CUDA graph, where that can be.
    """

    def __init__(
        self,
        network: Network,
        data: LabelledImages | TrainingImages,
        recipe: Recipe,
        seed: int,
        accumulate: int = 1,
        part: slice = WHOLE,
        replayed: bool = False,
    ) -> None:
        self.images = AugmentedImages.by(recipe, data) if isinstance(data, LabelledImages) else data
        self.device = self.images.device
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe, self.seed, self.accumulate, self.part = recipe, seed, accumulate, part
        self.forward: Callable[[Tensor], Tensor] = self.network
        self.unsynchronised: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.added_up: Callable[[Tensor], Tensor] = lambda counts: counts
        self.steps_an_epoch = -(-len(self.images) // recipe.batch_size)
        self.optimizer = optimizer(recipe, network)
        self.replayed = replayed and self.device.type == "cuda" and recipe.optimizer == "sgd" and not network.has_chance
        self.graph = self.new_graph()
        self.average = Average(network, recipe.average) if recipe.average else None
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = recipe.norm_momentum
        self.step = self.epochs_done = 0
        self.seconds = 0.0  # of this epoch, over all runs
        self.totals = torch.zeros(3, dtype=torch.float64, device=self.device)  # loss, hits, images of this epoch

    @property
    def num_steps(self) -> int:
        """The steps of the whole training."""
        return self.steps_an_epoch * self.recipe.epochs

    @property
    def result(self) -> Network:
        """The network to evaluate and to keep: the average of its weights, where the recipe takes one."""
        return self.network if self.average is None else self.average.network

    def run(
        self, validation: EvaluationImages | None = None, after_step: Callable[[], None] | None = None
    ) -> Iterator[EpochMetrics]:
        """Trains to the end of the recipe, yielding after every epoch.

        Raises DivergedError at the end of an epoch whose loss is not finite.
        """
        while self.epochs_done < self.recipe.epochs:
            epoch = self.epochs_done
            done = self.step - epoch * self.steps_an_epoch
            started = time.perf_counter()
            if done < self.steps_an_epoch:
                seed = derive_seed(self.seed, "epoch", epoch)
                for images, labels in self.images.batches(self.recipe.batch_size, seed, done, self.part):
                    self.train_step(images, labels)
                    if after_step is not None:
                        self.seconds += time.perf_counter() - started
                        after_step()
                        started = time.perf_counter()
            loss, hits, count = self.totals.tolist()
            self.totals.zero_()
            if not math.isfinite(loss):
                raise DivergedError(f"the training loss is {loss} in epoch {epoch + 1}")
            held_out = None if validation is None else evaluate(self.result, validation)
            seconds = self.seconds + time.perf_counter() - started
            self.seconds = 0.0
            self.epochs_done += 1
            yield EpochMetrics(
                epoch + 1,
                loss / count,
                hits / count,
                None if held_out is None else held_out.loss,
                None if held_out is None else held_out.top1,
                seconds,
            )

    def train_step(self, images: Tensor, labels: Tensor) -> None:
        """One step of the optimizer on images (B, C, H, W) and labels (B,)."""
        if not self.network.training:
            self.network.train()
        rate = learning_rate(self.recipe, self.step, self.num_steps)
        for group in self.optimizer.param_groups:
            own = rate * group.get("rate", 1.0)
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(own)
            else:
                group["lr"] = own
        targets = labels
        if self.recipe.mixup or self.recipe.cutmix:
            shares = one_hot(labels, self.images.num_classes)
            images, targets = mix(self.recipe, images, shares, derive_seed(self.seed, "mix", self.step))
            labels = targets.argmax(1)
        if self.graph is None:
            self.update_weights(images, targets, labels)
        else:
            self.graph(self.update_weights, images, targets, labels)
        if self.average is not None:
            self.average.follow(self.step)
        self.step += 1

    def new_graph(self) -> StepGraph | None:
        """What records the next steps, where they are to be replayed."""
        if not self.replayed:
            return None
        for group in self.optimizer.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=self.device)  # a graph reads it from memory
        return StepGraph()

    def update_weights(self, images: Tensor, targets: Tensor, labels: Tensor) -> None:
        """Gradients of the weights, a step of the optimizer, and the counts of the epoch."""
        self.optimizer.zero_grad(set_to_none=True)
        counts = torch.zeros_like(self.totals)
        with self.chance():
            size = -(-len(labels) // self.accumulate)
            for begin in range(0, len(labels), size):
                few = slice(begin, begin + size)
                share = len(labels[few]) / len(labels) * self.weight(len(labels))
                with nullcontext() if few.stop >= len(labels) else self.unsynchronised():
                    counts += self.add_gradient(images[few], targets[few], labels[few], share)
        self.optimizer.step()
        self.totals += self.added_up(counts)

    def weight(self, count: int) -> float:
        """What the mean gradient of `count` images is multiplied by, so that the mean over processes is the batch's."""
        processes = self.part.step or 1
        if processes == 1:
            return 1.0
        begun = self.step % self.steps_an_epoch * self.recipe.batch_size
        return count * processes / min(self.recipe.batch_size, len(self.images) - begun)

    def add_gradient(self, images: Tensor, targets: Tensor, labels: Tensor, share: float) -> Tensor:
        """Adds the gradient of the mean loss of these images, which has the `share` in that of their batch.

        Returns the sum of their losses, the number of hits and that of images.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.forward(images)
        loss = losses(self.recipe, logits.float(), targets) / len(labels)
        (loss if share == 1 else loss * share).backward()
        with torch.no_grad():
            hits = (logits.argmax(1) == labels).sum()
            counts = torch.full_like(self.totals, len(labels))
            counts[:2] = torch.stack((loss.double() * len(labels), hits.double()))
            return counts

    @contextmanager
    def chance(self) -> Iterator[None]:
        """What a network draws in this step is a function of (seed, step); global generators stay as they were."""
        if not self.network.has_chance:
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            process = () if self.part.start is None else (self.part.start,)  # draws are for each image
            torch.manual_seed(derive_seed(self.seed, "step", self.step, *process))
            yield

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "epochs_done": self.epochs_done,
            "seconds": self.seconds,
            "totals": self.totals,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state` of the same training."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])
        try:
            self.optimizer.load_state_dict(state["optimizer"])
        except ValueError:  # their groups differ
            raise InputError(
                "this training was begun when learned coefficients decayed like weights; go on with it by the version "
                "that began it, or train anew"
            ) from None
        self.step, self.epochs_done = state["step"], state["epochs_done"]
        self.seconds = state["seconds"]
        self.totals = state["totals"].to(self.device)
        self.graph = self.new_graph()  # what an earlier one wrote to is no longer where the state is
