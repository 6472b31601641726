"""Differentiable search (DARTS, 1806.09055) over the coefficients of one over-complete formula.

The weights learn from the training images, the coefficients from the held-out ones, in turn, step by step. What the
coefficients come to is rounded to bindings of the space, which are to be trained from scratch like any candidates.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from formulanas.architecture.architecture import Architecture
from formulanas.data.augment import AugmentedImages
from formulanas.data.images import LabelledImages, split
from formulanas.formula.bind import Value
from formulanas.network.coefficients import Coefficients
from formulanas.network.network import Network, build
from formulanas.search.samplers.relaxation import MARK, Relaxation, relaxations
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.space import Space
from formulanas.seeds import derive_seed
from formulanas.training.training import DivergedError, EpochMetrics, Training

MAX_BINDINGS = 100  # that a supernet proposes

# Of Adam, for the coefficients. The paper's rate, 3e-4, is for 50 epochs of 390 steps; a proxy has some 400 steps in
# all, in which a coefficient may have to move by 1.
LEARNING_RATE = 0.01
BETAS = (0.5, 0.999)


@dataclass(frozen=True)
class SupernetEpoch:
    """What an epoch of the supernet with these `choices` came to."""

    choices: Mapping[str, Value]
    metrics: EpochMetrics
    coefficients: Mapping[str, float]


def differentiable(
    space: Space,
    proxy: Proxy,
    data: LabelledImages,
    seed: int,
    *,
    second_order: bool = False,
    epochs: int | None = None,
    after_epoch: Callable[[SupernetEpoch], None] | None = None,
) -> list[dict[str, Value]]:
    """Bindings of `space`, the most promising first; of the training images `data`, the proxy's share is held out.

    Each combination of what is no coefficient, such as the activation, has a supernet of its own. They race over the
    proxy's epochs, or `epochs`: the worse half by the loss on held-out images ends at 1/2 of them, of 4 the first two
    at 1/4, and so on, so that 2, 4, 8 supernets cost 1.5, 2, 2.5 times as much as one. The bindings nearest to the
    coefficients of the last one come first. Raises InputError where the space has no coefficients, DivergedError
    where no supernet can be trained.
    """
    epochs = proxy.recipe.epochs if epochs is None else epochs
    device = torch.device(proxy.device)
    parts = split(data, proxy.held_out, derive_seed(seed, "split"))
    training, held_out = (AugmentedImages.by(proxy.recipe, part.to(device)) for part in parts)
    racing = [
        Supernet(each, proxy, training, held_out, derive_seed(seed, "supernet", place), epochs, second_order)
        for place, each in enumerate(relaxations(space))
    ]
    ended: list[Supernet] = []  # the best last
    while racing:
        mark = max(1, epochs // 2 ** (len(racing) - 1).bit_length())
        for state in itertools.chain.from_iterable(each.train(mark) for each in racing):
            if after_epoch is not None:
                after_epoch(state)
        racing.sort(key=lambda each: -each.loss)
        leaving = max(1, len(racing) // 2)
        ended += racing[:leaving]
        racing = racing[leaving:]
    sound = [each for each in reversed(ended) if each.loss < math.inf]
    if not sound:
        raise DivergedError("the loss of every supernet is no longer a number")
    return [values for each in sound for values in each.relaxation.nearest(each.point(), MAX_BINDINGS)]


class Supernet:
    """The network of an over-complete formula under way; a coefficient is one parameter, shared by all blocks."""

    def __init__(
        self,
        relaxation: Relaxation,
        proxy: Proxy,
        training: AugmentedImages,
        held_out: AugmentedImages,
        seed: int,
        epochs: int,
        second_order: bool = False,
    ) -> None:
        self.relaxation, self.second_order = relaxation, second_order
        architecture = Architecture(relaxation.recursion, proxy.backbone, training.data.shape, training.num_classes)
        self.network = build(architecture, derive_seed(seed, "weights"))
        means = [sum(values) / len(values) for values in relaxation.coordinates.values()]
        self.coefficients = tie(self.network, means)
        recipe = proxy.recipe.scaled(epochs)
        self.training = Training(self.network, training, recipe, derive_seed(seed, "training"))
        self.optimizer = torch.optim.Adam(self.coefficients, lr=LEARNING_RATE, betas=BETAS)
        self.held_out = batches(held_out, recipe.batch_size, derive_seed(seed, "held out"))
        self.unrolled = batches(training, recipe.batch_size, derive_seed(seed, "unrolled"))
        self.epochs = self.training.run(held_out.data, after_step=self.coefficient_step)
        self.epoch = 0
        self.loss = math.inf  # on the held-out images, after the last epoch

    def point(self) -> dict[str, float]:
        """The coefficients by name."""
        return {name: float(value) for name, value in zip(self.relaxation.coordinates, self.coefficients, strict=True)}

    def train(self, until: int) -> Iterator[SupernetEpoch]:
        """Trains to the end of epoch `until`; no further than to where the loss is no longer a number."""
        try:
            while self.epoch < until and (metrics := next(self.epochs, None)) is not None:
                assert metrics.validation_loss is not None
                self.epoch = metrics.epoch
                self.loss = metrics.validation_loss if math.isfinite(metrics.validation_loss) else math.inf
                yield SupernetEpoch(self.relaxation.choices, metrics, self.point())
        except DivergedError:
            self.loss = math.inf

    def coefficient_step(self) -> None:
        """One step of the coefficients on held-out images; weights and running statistics stay as they are."""
        batch = next(self.held_out)
        with frozen_statistics(self.network), trained(self.coefficients):
            if self.second_order:
                weights = [each for each in self.network.parameters() if all(each is not c for c in self.coefficients)]
                example = next(self.unrolled)
                smoothing = self.training.recipe.label_smoothing
                rate = self.training.optimizer.param_groups[0]["lr"]
                gradients = unrolled_gradients(
                    lambda: self.loss_on(*example, smoothing),
                    lambda: self.loss_on(*batch),
                    weights,
                    self.coefficients,
                    rate,
                )
            else:
                gradients = gradients_of(self.loss_on(*batch), self.coefficients)
        for coefficient, gradient in zip(self.coefficients, gradients, strict=True):
            coefficient.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for coefficient, values in zip(self.coefficients, self.relaxation.coordinates.values(), strict=True):
                coefficient.clamp_(values[0], values[-1])  # beyond there is no binding, and states grow without bound

    def loss_on(self, images: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """The loss in training mode, where norms go by the batch, as a network from scratch would see it."""
        self.network.train()
        device = images.device.type
        with self.training.chance(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = self.network(images)
        return functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)


def tie(network: Network, starts: Sequence[float]) -> list[nn.Parameter]:
    """Makes each coefficient of an over-complete formula one parameter for all blocks, which no optimizer moves yet."""
    shared = [nn.Parameter(torch.full((1, 1), start), requires_grad=False) for start in starts]
    for module in network.modules():
        if isinstance(module, Coefficients) and (place := int(module.values.detach()[0, 0]) - MARK) >= 0:
            module.values = shared[place]
    return shared


def batches(images: AugmentedImages, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, every image once a round."""
    for number in itertools.count():
        yield from images.batches(batch_size, derive_seed(seed, number))


def unrolled_gradients(
    training_loss: Callable[[], Tensor],
    held_out_loss: Callable[[], Tensor],
    weights: Sequence[nn.Parameter],
    coefficients: Sequence[nn.Parameter],
    rate: float,
) -> list[Tensor]:
    """The gradients of the held-out loss after a step of the weights, with respect to the coefficients.

    1806.09055, eq. (7), its product with the Hessian by the differences of eq. (8). The weights are as before again.
    """
    before = [weight.detach().clone() for weight in weights]

    def move(directions: Sequence[Tensor], length: float) -> None:
        with torch.no_grad():
            for weight, start, direction in zip(weights, before, directions, strict=True):
                weight.copy_(start + length * direction)

    move(gradients_of(training_loss(), weights), -rate)
    gradients = gradients_of(held_out_loss(), [*weights, *coefficients])
    directions, direct = gradients[: len(weights)], gradients[len(weights) :]
    epsilon = 0.01 / max(float(torch.stack([each.norm() for each in directions]).norm()), 1e-12)
    move(directions, epsilon)
    above = gradients_of(training_loss(), coefficients)
    move(directions, -epsilon)
    below = gradients_of(training_loss(), coefficients)
    move(directions, 0)
    return [
        gradient - rate * (plus - minus) / (2 * epsilon)
        for gradient, plus, minus in zip(direct, above, below, strict=True)
    ]


def gradients_of(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """The gradients of `loss`, zero for a parameter that it does not depend on."""
    return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))


@contextmanager
def trained(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Within, the parameters have gradients; without, an optimizer of the whole network passes them by."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Within, batch norms in training mode leave their running statistics as they are."""
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d) and each.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
