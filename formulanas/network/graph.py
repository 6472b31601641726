"""A graph of layers: nodes that are sums over their edges, and outputs that are joined."""

import functools
import operator
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Graph(nn.Module):
    """(N, C, H, W) split into `inputs` nodes by channels, then the sums that `nodes` say, and `outputs` joined.

    A node is a sequence of edges: the number of an earlier node, and the module from there.
    """

    def __init__(self, inputs: int, nodes: Sequence[Sequence[tuple[int, nn.Module]]], outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.sources = [[source for source, _ in node] for node in nodes]
        self.edges = nn.ModuleList(nn.ModuleList(module for _, module in node) for node in nodes)

    def forward(self, values: Tensor) -> Tensor:
        known = list(values.chunk(self.inputs, 1)) if self.inputs > 1 else [values]
        for sources, edges in zip(self.sources, self.edges, strict=True):
            assert isinstance(edges, nn.ModuleList)
            terms = [edge(known[source]) for source, edge in zip(sources, edges, strict=True)]
            known.append(functools.reduce(operator.add, terms))
        outputs = [known[node] for node in self.outputs]
        return torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]
