"""Where the nodes of a block stand in its picture: in which column, from left to right, and in which lane.

The state runs along the first lane. A sequence that is computed from its own past has a lane to itself, and so has
every chain of nodes that runs beside another. A node that joins values stands alone in its column, so that wires reach
it from above and below.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from formulanas.report.diagram.dataflow import Dataflow, Input, Past


@dataclass(frozen=True)
class Arrangement:
    """Lane and column of every node of a block, and which of its inputs enters from the left: None where none does."""

    lanes: Mapping[int, int]
    columns: Mapping[int, int]
    entries: Mapping[int, Input | None]

    @property
    def num_lanes(self) -> int:
        """How many lanes there are."""
        return 1 + max(self.lanes.values())

    @property
    def num_columns(self) -> int:
        """How many columns a block has."""
        return 1 + max(self.columns.values())


def arrange(flow: Dataflow) -> Arrangement:
    """The arrangement of the nodes of `flow`."""
    chains = _Chains(flow)
    names = dict.fromkeys([*flow.carried(), *flow.outputs])
    order = [chain for name in names for chain in chains.of_sequence(name)]
    lanes = {place: lane for lane, chain in enumerate(order) for place in chain}
    return Arrangement(lanes, _columns(flow, lanes), chains.entries)


def _columns(flow: Dataflow, lanes: Mapping[int, int]) -> dict[int, int]:
    """The leftmost column for each node after those it reads; joints and the state alone in theirs."""
    state = flow.outputs["x"]
    columns: dict[int, int] = {}
    alone: set[int] = set()
    steps = _steps(flow)
    for place in sorted(lanes, key=lambda place: (steps[place], lanes[place])):
        sources = [each.source for each in flow.nodes[place].inputs]
        column = 1 + max((columns[source] for source in sources if isinstance(source, int)), default=-1)
        single = len(sources) < 2 and place != state
        while column in alone or (not single and column in columns.values()):
            column += 1
        columns[place] = column
        if not single:
            alone.add(column)
    if not any(each.source == state for node in flow.nodes for each in node.inputs):
        columns[state] = 1 + max((column for place, column in columns.items() if place != state), default=-1)
    return columns


def _steps(flow: Dataflow) -> list[int]:
    """For each node, how many nodes of its block its value passes on the longest way to it."""
    steps: list[int] = []
    for node in flow.nodes:
        steps.append(1 + max((steps[each.source] for each in node.inputs if isinstance(each.source, int)), default=-1))
    return steps


@dataclass
class _Chains:
    flow: Dataflow
    entries: dict[int, Input | None] = field(default_factory=dict)

    def of_sequence(self, name: str) -> list[list[int]]:
        """The chain that ends in the value of the sequence, and those beside it that feed it: the state's own first."""
        waiting = deque([self.flow.outputs[name]])
        chains: list[list[int]] = []
        while waiting:
            place = waiting.popleft()
            if place not in self.entries:
                chains.append(self.chain(place, name if not chains else None, waiting))
        return chains if name == "x" else chains[1:] + chains[:1]

    def chain(self, place: int, sequence: str | None, waiting: deque[int]) -> list[int]:
        """The nodes from the one at `place` back to where the chain begins; what feeds it beside goes to `waiting`."""
        chain = []
        while True:
            chain.append(place)
            entry = self.entry(place, sequence)
            self.entries[place] = entry
            sources = [each.source for each in self.flow.nodes[place].inputs if each != entry]
            waiting += [source for source in sources if isinstance(source, int) and self.is_free(source)]
            if entry is None or not isinstance(entry.source, int) or not self.is_free(entry.source):
                return chain
            place = entry.source

    def is_free(self, place: int) -> bool:
        """Whether the node is in no chain yet, and does not end that of a sequence of its own."""
        return place not in self.entries and place not in [self.flow.outputs[name] for name in self.flow.carried()]

    def entry(self, place: int, sequence: str | None) -> Input | None:
        """The input that enters from the left: along the sequence's own lane, else from the longest way here."""
        inputs = self.flow.nodes[place].inputs
        if len(inputs) == 1:
            return inputs[0]
        steps = _steps(self.flow)
        computed = [each for each in inputs if isinstance(each.source, int) and self.is_free(each.source)]
        computed.sort(key=lambda each: steps[each.source] if isinstance(each.source, int) else 0, reverse=True)
        if sequence not in (None, "x"):
            own = [each for each in computed if isinstance(each.source, int) and self.flow.reads(each.source, sequence)]
            computed = [each for each in inputs if each.source == Past(sequence, 1)] + own + computed
        return next(iter([*computed, *(each for each in inputs if each.source == Past("x", 1))]), None)
