"""The picture of a few blocks before it has coordinates: which values wires join, and on which level they run.

Levels count from above: lanes are 0, 1, 2 and so on, and between them, at 0.5, 1.5 and so on, run channels for the
wires that pass nodes; -0.5 is the channel above all lanes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from formulanas.formula import expressions as ex
from formulanas.report.diagram.arrangement import Arrangement
from formulanas.report.diagram.dataflow import Dataflow, Input, Past, coefficient_label

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
class Edge:
    """A wire on `level`, which `enters` its target from the left or else reaches it from above or below."""

    source: Spot
    target: Spot
    enters: bool
    history: bool
    label: str = ""
    place: int = 0  # of the input that it is
    level: float = 0.0


class Routes:
    """The wires between `num_blocks` blocks, and in which column and lane the ends of wires are."""

    def __init__(self, flow: Dataflow, arrangement: Arrangement, num_blocks: int) -> None:
        self.flow, self.arrangement, self.num_blocks = flow, arrangement, num_blocks
        self.carried = [flow.outputs[name] for name in flow.carried()]
        self.columns = {
            Spot(block, node): FIRST + block * arrangement.num_columns + column
            for block in range(num_blocks)
            for node, column in arrangement.columns.items()
        }
        self.columns |= {Spot(-1, node): PAST for node in self.carried}
        if any(each.source == "x[0]" for node in flow.nodes for each in node.inputs):
            self.columns[STEM_SPOT] = STEM
        self.lanes = {spot: 0 if spot == STEM_SPOT else arrangement.lanes[spot.node] for spot in self.columns}
        self.edges: list[Edge] = []
        wires = list(self._wires())
        straight = [edge for edge in wires if self._is_straight(edge)]  # they are first to have their lanes
        for edge in straight + [edge for edge in wires if edge not in straight]:
            self.edges.append(self._placed(edge))
        self.edges += self._leaving()

    @property
    def end(self) -> int:
        """The column of the right edge."""
        return FIRST + self.num_blocks * self.arrangement.num_columns

    def _wires(self) -> Iterator[Edge]:
        """All wires to nodes, without their levels."""
        for node in self.carried:
            yield Edge(Spot(OUTSIDE, node), Spot(-1, node), enters=True, history=node != self.carried[0])
        for target in [Spot(block, at) for block in range(self.num_blocks) for at in range(len(self.flow.nodes))]:
            inputs, entry = self.flow.nodes[target.node].inputs, self.arrangement.entries[target.node]
            for place, source in self._sources(target.block, inputs).items():
                each = inputs[place]
                text = self._text(target.block, each) if source == self._source(target.block, each) else ""
                history = not isinstance(each.source, int) and each.source != Past("x", 1)
                enters = entry is not None and place == inputs.index(entry)
                yield Edge(source, target, enters, history, text, place)

    def _text(self, block: int, each: Input) -> str:
        """The label of a coefficient: nothing for 1, a sign for -1."""
        if each.coefficient in (ex.ONE, ex.MINUS_ONE):
            return "" if each.coefficient == ex.ONE else "-"
        return coefficient_label(each.coefficient, self.num_blocks - 1 - block)

    def _sources(self, block: int, inputs: tuple[Input, ...]) -> dict[int, Spot]:
        """Where inputs come from, by their places; one spot stands for several outside the picture."""
        found = {place: self._source(block, each) for place, each in enumerate(inputs)}
        for sequence in {spot.node for spot in found.values() if spot.block == OUTSIDE}:
            *others, last = [at for at, spot in found.items() if (spot.block, spot.node) == (OUTSIDE, sequence)]
            if others:
                found = {at: spot for at, spot in found.items() if at not in others} | {last: Spot(OUTSIDE, sequence)}
        return found

    def _source(self, block: int, each: Input) -> Spot:
        """Where a node of `block` finds what it reads."""
        match each.source:
            case int(node):
                return Spot(block, node)
            case Past(sequence, distance):
                node = self.flow.outputs[sequence]
                before = None if distance is None else block - distance
                if before is not None and (before >= 0 or (before == -1 and node in self.carried)):
                    return Spot(before, node)
                return Spot(OUTSIDE, node, before)
        return STEM_SPOT

    def _leaving(self) -> Iterator[Edge]:
        """The wires to the right edge, of values that blocks after the drawn ones read."""
        last = self.num_blocks - 1
        for node in self.carried:
            yield Edge(Spot(last, node), RIGHT, True, node != self.carried[0], level=self.arrangement.lanes[node])
        found = dict.fromkeys(
            (spot, self._channel(spot, Spot(last, place)))
            for place, node in enumerate(self.flow.nodes)
            for each in node.inputs
            for spot in self._still_read(each)
            if spot.block != last or spot.node not in self.carried
        )
        yield from (Edge(spot, RIGHT, False, True, level=level) for spot, level in found)

    def _still_read(self, each: Input) -> list[Spot]:
        """The drawn values that blocks after the drawn ones read by this input."""
        match each.source:
            case int():
                return []
            case Past(sequence, distance):
                first = 0 if distance is None else max(0, self.num_blocks - distance)
                return [Spot(block, self.flow.outputs[sequence]) for block in range(first, self.num_blocks)]
        return [STEM_SPOT]

    def _is_straight(self, edge: Edge) -> bool:
        """Whether the wire enters its target along the lane of both."""
        lane = self.lanes[edge.target]
        if edge.source.block == OUTSIDE:
            return edge.target.block == -1
        first, last = 2 * self.columns[edge.source], 2 * self.columns[edge.target]
        return edge.enters and self.lanes[edge.source] == lane and self._is_clear(edge, lane, first, last)

    def _placed(self, edge: Edge) -> Edge:
        """The wire on its level: straight ahead, along the lane of its source, of its target, or in a channel."""
        lane = self.lanes[edge.target]
        last = 2 * self.columns[edge.target]
        if self._is_straight(edge):
            return replace(edge, level=lane)
        if edge.source.block != OUTSIDE:
            first, own = 2 * self.columns[edge.source], self.lanes[edge.source]
            if not edge.enters and own != lane and self._is_clear(edge, own, first, last):
                return replace(edge, level=own)
            if edge.enters and own != lane and self._is_clear(edge, lane, first + 1, last):
                return replace(edge, level=lane)
        return replace(edge, level=self._channel(edge.source, edge.target))

    def _is_clear(self, edge: Edge, lane: int, first: int, last: int) -> bool:
        """Whether no node and no other value's wire is on a stretch of a lane, counted in half columns."""
        others = (spot for spot in self.columns if self.lanes[spot] == lane and spot not in (edge.source, edge.target))
        wires = (self._stretch(other) for other in self.edges if other.level == lane and other.source != edge.source)
        return not any(first - 1 <= 2 * self.columns[spot] <= last for spot in others) and not any(
            max(first, start) < min(last, stop) for start, stop in wires
        )

    def _stretch(self, edge: Edge) -> tuple[int, int]:
        """From where to where a wire runs on its lane, counted in half columns."""
        outside = edge.source.block == OUTSIDE
        first = 2 * DOTS if outside else 2 * self.columns[edge.source] + (self.lanes[edge.source] != edge.level)
        return first, 2 * self.columns[edge.target]

    def _channel(self, source: Spot, target: Spot) -> float:
        """The channel that leads to the target: above its lane for states, below for other values of that lane."""
        own = 0 if source == STEM_SPOT else self.arrangement.lanes[source.node]
        lane = self.lanes[target]
        is_state = source == STEM_SPOT or source.node == self.carried[0]
        return lane + 0.5 if own > lane or (own == lane and not is_state) else lane - 0.5
