"""Where the nodes of a few blocks stand in a picture: in which column, from left to right, and in which lane.

The state runs along the first lane. A sequence that is computed from its own past has a lane to itself, and so has
every chain of nodes that runs beside another. A node that joins values stands alone in its column, so that wires reach
it from above and below.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from formulanas.diagram.dataflow import Dataflow, Input, Past

STEM, DOTS, PAST, FIRST = range(4)  # columns: the stem, what is left out, the states before the first block, its nodes


@dataclass(frozen=True)
class Spot:
    """Where wires begin and end: a node of a block, counted from 0; block -1 holds the states before the first one.

    OUTSIDE the picture lies what comes in at its left edge, `back` blocks before, and what goes on at its right edge.
    """

    block: int
    node: int
    back: int | None = None


OUTSIDE = -3
STEM_SPOT, RIGHT = Spot(-2, 0), Spot(OUTSIDE, -1)


@dataclass(frozen=True)
class Arrangement:
    """The column and the lane of every spot of `num_blocks` blocks.

    `entries` are the inputs that enter a node from the left, None where none does; `carried` are the nodes whose values
    run from block to block, the state first.
    """

    flow: Dataflow
    num_blocks: int
    columns: Mapping[Spot, int]
    lanes: Mapping[Spot, int]
    entries: Mapping[int, Input | None]
    carried: tuple[int, ...]
    num_columns: int  # of a block

    @property
    def num_lanes(self) -> int:
        """How many lanes there are."""
        return 1 + max(self.lanes.values())

    @property
    def end(self) -> int:
        """The column of the right edge."""
        return FIRST + self.num_blocks * self.num_columns


def arrange(flow: Dataflow, num_blocks: int) -> Arrangement:
    """The arrangement of so many blocks of `flow`."""
    chains, entries = _chains(flow)
    lanes = {node: lane for lane, chain in enumerate(chains) for node in chain}
    columns = _columns(flow, lanes)
    num_columns = 1 + max(columns.values())
    carried = tuple(flow.outputs[name] for name in flow.carried())
    spots = {
        Spot(block, node): FIRST + block * num_columns + column
        for block in range(num_blocks)
        for node, column in columns.items()
    }
    spots |= {Spot(-1, node): PAST for node in carried}
    if any(part.source == "x[0]" for node in flow.nodes for part in node.inputs):
        spots[STEM_SPOT] = STEM
    lanes_of_spots = {spot: 0 if spot == STEM_SPOT else lanes[spot.node] for spot in spots}
    return Arrangement(flow, num_blocks, spots, lanes_of_spots, entries, carried, num_columns)


def _columns(flow: Dataflow, lanes: Mapping[int, int]) -> dict[int, int]:
    """The leftmost column for each node after those it reads; joints and the state alone in theirs."""
    state = flow.outputs["x"]
    columns: dict[int, int] = {}
    alone: set[int] = set()
    steps = _steps(flow)
    for node in sorted(lanes, key=lambda node: (steps[node], lanes[node])):
        sources = [part.source for part in flow.nodes[node].inputs]
        column = 1 + max((columns[source] for source in sources if isinstance(source, int)), default=-1)
        single = len(sources) < 2 and node != state
        while column in alone or (not single and column in columns.values()):
            column += 1
        columns[node] = column
        if not single:
            alone.add(column)
    if not any(part.source == state for node in flow.nodes for part in node.inputs):
        columns[state] = 1 + max((column for node, column in columns.items() if node != state), default=-1)
    return columns


def _steps(flow: Dataflow) -> list[int]:
    """For each node, how many nodes of its block its value passes on the longest way to it."""
    steps: list[int] = []
    for node in flow.nodes:
        steps.append(1 + max((steps[part.source] for part in node.inputs if isinstance(part.source, int)), default=-1))
    return steps


def _chains(flow: Dataflow) -> tuple[list[list[int]], dict[int, Input | None]]:
    """The nodes that run beside each other, a chain a lane, each from its end on, and what enters each node.

    Of a sequence, first come those that feed its own; but the state's own is the first of all.
    """
    entries: dict[int, Input | None] = {}
    chains: list[list[int]] = []
    for name in dict.fromkeys([*flow.carried(), *flow.outputs]):
        waiting = deque([flow.outputs[name]])
        found: list[list[int]] = []
        while waiting:
            node: int | None = waiting.popleft()
            sequence = None if found else name
            if node in entries:
                continue
            found.append([])
            while node is not None:
                entry = _entry(flow, node, sequence, entries)
                entries[node] = entry
                found[-1].append(node)
                others = [part.source for part in flow.nodes[node].inputs if part != entry]
                waiting += [source for source in others if isinstance(source, int) and _is_free(flow, source, entries)]
                source = None if entry is None else entry.source
                node = source if isinstance(source, int) and _is_free(flow, source, entries) else None
        chains += found if name == "x" else found[1:] + found[:1]
    return chains, entries


def _is_free(flow: Dataflow, node: int, known: Mapping[int, Input | None]) -> bool:
    """Whether the node is in no chain yet, and does not end that of a sequence of its own."""
    return node not in known and node not in [flow.outputs[name] for name in flow.carried()]


def _entry(flow: Dataflow, node: int, sequence: str | None, known: Mapping[int, Input | None]) -> Input | None:
    """The input that enters from the left: along the sequence's own lane, else from the longest way here."""
    inputs = flow.nodes[node].inputs
    if len(inputs) == 1:
        return inputs[0]
    steps = _steps(flow)
    free = {part: part.source for part in inputs if isinstance(part.source, int) and _is_free(flow, part.source, known)}
    computed = sorted(free, key=lambda part: steps[free[part]], reverse=True)
    if sequence not in (None, "x"):
        own = [part for part in computed if flow.reads(free[part], sequence)]
        computed = [part for part in inputs if part.source == Past(sequence, 1)] + own + computed
    return next(iter([*computed, *(part for part in inputs if part.source == Past("x", 1))]), None)
