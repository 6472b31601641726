"""Evaluation: top-1, top-5 and loss of a network on labelled images."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from formulanas.data.images import EvaluationImages

BATCH_SIZE = 500
CENTRAL = 4  # of ten crops


@dataclass(frozen=True)
class Evaluation:
    """Shares of images whose label is the first, or among the first five, of the logits; the mean cross-entropy.

    Where images come in ten crops these are of the central one, and those of the mean probabilities stand beside them.
    """

    top1: float
    top5: float
    loss: float
    num_images: int
    ten_crop_top1: float | None = None
    ten_crop_top5: float | None = None


@torch.inference_mode()
def evaluate(network: nn.Module, data: EvaluationImages) -> Evaluation:
    """`network`, in evaluation mode, on `data`, which lies on the network's device."""
    training = network.training
    network.eval()
    count, loss, ten = 0, 0.0, False
    hits = torch.zeros(2, 2, dtype=torch.int64)  # of one crop and of ten, among the first and the first five
    for images, labels in data.test_batches(BATCH_SIZE):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            logits = network(images.flatten(0, -4)).float()
        ten = images.ndim == 5
        if ten:
            crops = logits.view(*images.shape[:2], -1)
            hits[1] += _hits(crops.softmax(2).mean(1), labels)
            logits = crops[:, CENTRAL]
        hits[0] += _hits(logits, labels)
        count += len(labels)
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    network.train(training)
    (top1, top5), ten_crops = (hits.double() / count).tolist()
    return Evaluation(top1, top5, loss / count, count, *(ten_crops if ten else ()))


def _hits(scores: Tensor, labels: Tensor) -> Tensor:
    """How many labels (B,) have the greatest, and one of the five greatest, of the scores (B, num_classes)."""
    best = scores.topk(min(5, scores.shape[1])).indices == labels[:, None]
    return torch.stack((best[:, 0].sum(), best.sum())).cpu()
