"""An architecture: a bound recursion over a backbone, for images and classes; all that is needed to build a network."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import Shape
from formulanas.architecture.plan import Plan, plan
from formulanas.formula.bound import BoundRecursion


@dataclass(frozen=True)
class Architecture:
    """A network to be built: images have the shape (C, H, W), logits (N, num_classes)."""

    recursion: BoundRecursion
    backbone: Backbone
    image: Shape
    num_classes: int

    @cached_property
    def plan(self) -> Plan:
        """Its modules and forward pass, parameters and multiply-accumulates; nothing is allocated."""
        return plan(self.recursion, self.backbone, self.image, self.num_classes)

    @cached_property
    def digest(self) -> str:
        """A short hash of the whole architecture; the recursion's own key leaves the backbone out."""
        whole = f"{self.recursion.text}\n{self.backbone!r}\n{self.image}\n{self.num_classes}"
        return hashlib.sha256(whole.encode()).hexdigest()[:12]
