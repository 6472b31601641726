"""A training of a small network that takes a moment, on images that are easy to tell apart."""

import torch

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.data.catalogue import CIFAR10
from formulanas.data.images import LabelledImages
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.recipe import Recipe
from formulanas.training.training import Training

SMALL = Recipe(epochs=3, batch_size=16, learning_rate=0.05, nesterov=True, schedule="one-cycle", crop_padding=1)


def easy(count: int = 60) -> LabelledImages:
    """Images of two classes that differ in brightness, so that a few steps learn them."""
    labels = torch.arange(count) % 2
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(100, (count, 3, 8, 8), generator=generator)
    return LabelledImages(
        (noise + 150 * labels[:, None, None, None]).to(torch.uint8), labels, 2, CIFAR10.mean, CIFAR10.deviation
    )


def training(recipe: Recipe = SMALL, formula: str = "resnet-s", seed: int = 7) -> Training:
    """A training of a small network on `easy` images."""
    architecture = Architecture(bind_formula(formula), Backbone((4, 8), (1, 1)), (3, 8, 8), 2)
    return Training(build(architecture, seed), easy(), recipe, seed)


def weights(run: Training) -> list[torch.Tensor]:
    """All weights and statistics of a network."""
    return list(run.network.state_dict().values())


def fix_statistics(run: Training) -> None:
    """Norms go by their running statistics from now on, whatever the loop asks for."""
    run.network.eval()
    run.network.train = lambda mode=True: run.network
