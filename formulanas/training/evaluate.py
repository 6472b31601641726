"""Evaluation: top-1, top-5 and loss of a network on labelled images."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from formulanas.data.images import LabelledImages
from formulanas.network.network import Network

BATCH_SIZE = 500


@dataclass(frozen=True)
class Evaluation:
    """Shares of images whose label is the first, or among the first five, of the logits; the mean cross-entropy."""

    top1: float
    top5: float
    loss: float
    num_images: int


@torch.inference_mode()
def evaluate(network: Network, data: LabelledImages) -> Evaluation:
    """`network`, in evaluation mode, on `data`, which lies on the network's device."""
    training = network.training
    network.eval()
    top1 = top5 = 0
    loss = 0.0
    for begin in range(0, len(data), BATCH_SIZE):
        images = data.normalise(data.images[begin : begin + BATCH_SIZE])
        labels = data.labels[begin : begin + BATCH_SIZE]
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        best = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
        top1 += int(best[:, 0].sum())
        top5 += int(best.sum())
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    network.train(training)
    return Evaluation(top1 / len(data), top5 / len(data), loss / len(data), len(data))
