"""A predictor that says which of several candidates is to be trained."""

import math

from torch import Tensor

from formulanas.architecture.architecture import Architecture
from formulanas.search.screening.predictors import predict, sample
from formulanas.search.space.proxy import Proxy


class Ranking:
    """What predictor `name` says of candidates before they are trained, on a batch of the proxy's training images."""

    def __init__(self, name: str, proxy: Proxy) -> None:
        self.name, self.proxy = name, proxy
        self.images: tuple[Tensor, Tensor] | None = None

    def __call__(self, architecture: Architecture, seed: int) -> float:
        if self.images is None:
            self.images = sample(self.proxy)
        value = predict(self.name, architecture, *self.images, seed)
        return -math.inf if value is None else value
