"""Mixup and cutmix: a batch mixed with itself in reverse order, and the loss of a recipe on what comes of it."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from formulanas.recipe import Recipe


def mix(recipe: Recipe, images: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and targets (B, num_classes) mixed by mixup or cutmix, which `seed` draws."""
    generator = np.random.default_rng(seed)
    cut = recipe.cutmix > 0 and (recipe.mixup == 0 or generator.random() < 0.5)
    share = generator.beta(*2 * (recipe.cutmix if cut else recipe.mixup,))
    if cut:
        height, width = images.shape[2:]
        top, bottom = _interval(generator, height, (1 - share) ** 0.5)
        left, right = _interval(generator, width, (1 - share) ** 0.5)
        images = images.clone(memory_format=torch.preserve_format)
        images[:, :, top:bottom, left:right] = images.flip(0)[:, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    else:
        images = images.lerp(images.flip(0), 1 - share)
    return images, targets.lerp(targets.flip(0), 1 - share)


def _interval(generator: np.random.Generator, size: int, share: float) -> tuple[int, int]:
    """A window of the share of `size` around a random place, cut at the borders (1905.04899)."""
    half, middle = int(size * share) // 2, int(generator.integers(size))
    return max(middle - half, 0), min(middle + half, size)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Labels (B,) as float targets (B, num_classes)."""
    return functional.one_hot(labels, num_classes).float()


def losses(recipe: Recipe, logits: Tensor, targets: Tensor) -> Tensor:
    """The sum over a batch of the recipe's loss, `targets` being labels (B,) or shares (B, num_classes).

    In the binary loss every class that was mixed in is simply present (2110.00476); it is averaged over classes.
    """
    if recipe.loss == "cross-entropy":
        return functional.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing, reduction="sum")
    if targets.ndim == 1:
        targets = one_hot(targets, logits.shape[1])
    present = (targets > 0).float()
    smooth = present * (1 - recipe.label_smoothing) + recipe.label_smoothing / logits.shape[1]
    return functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none").mean(1).sum()
