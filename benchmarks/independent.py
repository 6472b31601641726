"""Published networks twice: ours, a formula over a backbone, and what timm, which shares no code with ours, builds."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.formula.bind import bind

try:
    import torchvision  # noqa: F401 to see whether it loads
except RuntimeError:
    # timm needs only the Python part of torchvision, but that names two compiled operators, which do not load where
    # torchvision and torch were built apart (for CUDA and for CPUs); declaring them is enough.
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import timm


@dataclass(frozen=True)
class Pair:
    """The formula and the backbone of one network, and timm's name for it."""

    formula: str
    backbone: Backbone
    timm: str

    def architecture(self, size: int, num_classes: int) -> Architecture:
        """Ours, for images of `size` pixels a side."""
        return Architecture(bind(self.formula), self.backbone, (3, size, size), num_classes)

    def independent(self, num_classes: int) -> nn.Module:
        """The other one, with weights drawn by the global generator."""
        return timm.create_model(self.timm, num_classes=num_classes)


RESNET = "x[n] = relu(x[n-1] + F[n](x[n-1]))"
PREACTIVATED = "x[n] = x[n-1] + F[n](x[n-1])"
DENSE = "x[n] = concat(x[n-1], F[n](x[n-1]))"
PAIRS = {
    "resnet18": Pair(RESNET, backbone("resnet18"), "resnet18"),
    "resnet50": Pair(RESNET, backbone("resnet50"), "resnet50"),
    "preact-resnet50": Pair(PREACTIVATED, backbone("preact-resnet50"), "resnetv2_50"),
    # the ResNet-s paper counts biases of its convolutions, which others do without
    "seresnet50": Pair(RESNET, replace(backbone("seresnet50"), conv_bias=False), "seresnet50"),
    "resnext50-32x4d": Pair(RESNET, backbone("resnext50-32x4d"), "resnext50_32x4d"),
    "res2net50-26w4s": Pair(RESNET, backbone("res2net50-26w4s"), "res2net50_26w_4s"),
    "densenet-121": Pair(DENSE, backbone("densenet-121"), "densenet121"),
    "efficientnet-b0": Pair(PREACTIVATED + "; shape = cut", backbone("efficientnet-b0"), "efficientnet_b0"),
}
