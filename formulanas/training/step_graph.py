"""A training step recorded once and replayed: on a GPU a small network waits for the launches of its kernels.

A step of a proxy network is some hundred kernels of a few microseconds each, and launching one takes as long. A CUDA
graph launches all of them at once.
"""

from collections.abc import Callable

import torch
from torch import Tensor

NUM_WARM_UP = 3  # steps as they are, in which libraries choose their kernels and optimizers make their state


class StepGraph:
    """A step, which works on tensors of a GPU, as one CUDA graph for the shapes of its first inputs.

    All else that the step reads or writes must stay where it is in memory, and nothing in it may depend on chance or on
    a value of the host that changes. Inputs of other shapes, the last batch of an epoch, run as they are.
    """

    def __init__(self) -> None:
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: tuple[Tensor, ...] = ()
        self.num_steps = 0

    def __call__(self, step: Callable[..., None], *inputs: Tensor) -> None:
        """Takes the step, always the same one, on `inputs`."""
        with torch.cuda.device(inputs[0].device):
            self._take(step, inputs)

    def _take(self, step: Callable[..., None], inputs: tuple[Tensor, ...]) -> None:
        if not self.inputs:
            self.inputs = tuple(each.clone() for each in inputs)
        if [each.shape for each in inputs] != [each.shape for each in self.inputs]:
            step(*inputs)
            return
        self.num_steps += 1
        if self.num_steps <= NUM_WARM_UP:
            _aside(step, inputs)
            return
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                step(*self.inputs)
        self.graph.replay()


def _aside(step: Callable[..., None], inputs: tuple[Tensor, ...]) -> None:
    """A step as it is, on a stream of its own: a later recording must find nothing made on the usual one."""
    stream, usual = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(usual)
    with torch.cuda.stream(stream):
        step(*inputs)
    usual.wait_stream(stream)
