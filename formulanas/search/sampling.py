"""What a search proposes by: the sampler that its space file asks for, and a predictor where one ranks proposals."""

import math
from pathlib import Path

from torch import Tensor

from formulanas.architecture.architecture import Architecture
from formulanas.data.catalogue import dataset
from formulanas.data.training_set import read_training_set
from formulanas.formula.bind import bind
from formulanas.search.audit import sample
from formulanas.search.executors.work import Task
from formulanas.search.samplers.candidates import Values
from formulanas.search.samplers.catalogue import DIFFERENTIABLE, OptunaSampler, Propose, find_sampler
from formulanas.search.samplers.differentiable import differentiable
from formulanas.search.samplers.ranked import ranked
from formulanas.search.screening.predictors import predict
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.space import Space, SpaceDocument
from formulanas.seeds import derive_seed
from formulanas.store.runs import Run


def make_sampler(run: Run, document: SpaceDocument, space: Space, proxy: Proxy, seed: int) -> Propose | OptunaSampler:
    """The sampler of a search; that of the differentiable search keeps what it learned in the run's folder."""
    name = document.search.sampler
    if name != DIFFERENTIABLE:
        return find_sampler(name)

    def bindings() -> list[Values]:
        data = read_training_set(proxy.dataset, Path(proxy.data_dir))
        return differentiable(space, proxy, data, derive_seed(seed, DIFFERENTIABLE))

    return ranked(run.folder / f"{DIFFERENTIABLE}.json", bindings)


class Guess:
    """What a predictor says of a task before it is trained, on a batch of the proxy's training images."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.images: tuple[Tensor, Tensor] | None = None

    def __call__(self, predictor: str, task: Task) -> float:
        if self.images is None:
            self.images = sample(self.proxy)
        images = dataset(self.proxy.dataset)
        architecture = Architecture(bind(task.formula), task.backbone, images.shape, images.num_classes)
        value = predict(predictor, architecture, *self.images, task.seed)
        return -math.inf if value is None else value
