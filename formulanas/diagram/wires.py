"""The wires of a picture before it has coordinates: which values they join, and on which level they run.

Levels count from above: lanes are 0, 1, 2 and so on, and between them, at 0.5, 1.5 and so on, run channels for the
wires that pass nodes; -0.5 is the channel above all lanes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from formulanas.diagram.arrangement import DOTS, OUTSIDE, RIGHT, STEM_SPOT, Arrangement, Spot
from formulanas.diagram.dataflow import Input, Past, coefficient_label
from formulanas.formula import expressions as ex


@dataclass(frozen=True)
class Wire:
    """What leads a value on `level` to a target that it `enters` from the left, or else from above or below."""

    source: Spot
    target: Spot
    enters: bool
    history: bool  # whether the value is of an earlier block
    label: str = ""
    number: int = 0  # of the target's input that it is
    level: float = 0.0


def wires(arrangement: Arrangement) -> tuple[Wire, ...]:
    """All wires on their levels; those straight ahead are the first to have their lanes."""
    unplaced = list(_to_nodes(arrangement))
    straight = [wire for wire in unplaced if _is_straight(arrangement, wire, ())]
    placed: list[Wire] = []
    for wire in straight + [wire for wire in unplaced if wire not in straight]:
        placed.append(replace(wire, level=_level(arrangement, wire, placed)))
    return (*placed, *_leaving(arrangement))


def _to_nodes(arrangement: Arrangement) -> Iterator[Wire]:
    """The wires to nodes, without their levels."""
    flow, carried = arrangement.flow, arrangement.carried
    for node in carried:
        yield Wire(Spot(OUTSIDE, node), Spot(-1, node), enters=True, history=node != carried[0])
    for target in [Spot(block, node) for block in range(arrangement.num_blocks) for node in range(len(flow.nodes))]:
        inputs, entry = flow.nodes[target.node].inputs, arrangement.entries[target.node]
        for number, source in _sources(arrangement, target.block, inputs):
            part = inputs[number]
            is_own = source == _source(arrangement, target.block, part)
            label = _label(part, arrangement.num_blocks - 1 - target.block) if is_own else ""
            history = not isinstance(part.source, int) and part.source != Past("x", 1)
            enters = entry is not None and number == inputs.index(entry)
            yield Wire(source, target, enters, history, label, number)


def _label(part: Input, back: int) -> str:
    """The label of a coefficient: nothing for 1, a sign for -1."""
    if part.coefficient in (ex.ONE, ex.MINUS_ONE):
        return "" if part.coefficient == ex.ONE else "-"
    return coefficient_label(part.coefficient, back)


def _sources(arrangement: Arrangement, block: int, inputs: Sequence[Input]) -> Iterator[tuple[int, Spot]]:
    """Where inputs come from, by their numbers; one spot stands for several values of a sequence from outside."""
    spots = [_source(arrangement, block, part) for part in inputs]
    outside = [(spot.block, spot.node) if spot.block == OUTSIDE else None for spot in spots]
    for number, spot in enumerate(spots):
        if outside[number] is None or outside.count(outside[number]) == 1:
            yield number, spot
        elif outside[number] not in outside[number + 1 :]:
            yield number, Spot(OUTSIDE, spot.node)


def _source(arrangement: Arrangement, block: int, part: Input) -> Spot:
    """Where a node of `block` finds what it reads."""
    match part.source:
        case int(node):
            return Spot(block, node)
        case Past(sequence, distance):
            node = arrangement.flow.outputs[sequence]
            before = None if distance is None else block - distance
            if before is not None and (before >= 0 or (before == -1 and node in arrangement.carried)):
                return Spot(before, node)
            return Spot(OUTSIDE, node, before)
    return STEM_SPOT


def _leaving(arrangement: Arrangement) -> Iterator[Wire]:
    """The wires to the right edge, of values that blocks after the drawn ones read."""
    last, carried = arrangement.num_blocks - 1, arrangement.carried
    for node in carried:
        spot = Spot(last, node)
        yield Wire(spot, RIGHT, True, node != carried[0], level=arrangement.lanes[spot])
    leaving = dict.fromkeys(
        (spot, _channel(arrangement, spot, Spot(last, number)))
        for number, node in enumerate(arrangement.flow.nodes)
        for part in node.inputs
        for spot in _still_read(arrangement, part)
        if spot.block != last or spot.node not in carried
    )
    yield from (Wire(spot, RIGHT, False, True, level=level) for spot, level in leaving)


def _still_read(arrangement: Arrangement, part: Input) -> list[Spot]:
    """The drawn values that blocks after the drawn ones read by this input."""
    match part.source:
        case int():
            return []
        case Past(sequence, distance):
            first = 0 if distance is None else max(0, arrangement.num_blocks - distance)
            node = arrangement.flow.outputs[sequence]
            return [Spot(block, node) for block in range(first, arrangement.num_blocks)]
    return [STEM_SPOT]


def _is_straight(arrangement: Arrangement, wire: Wire, placed: Iterable[Wire]) -> bool:
    """Whether the wire enters its target along the lane of both."""
    if wire.source.block == OUTSIDE:
        return wire.target.block == -1
    lane, columns = arrangement.lanes[wire.target], arrangement.columns
    first, last = 2 * columns[wire.source], 2 * columns[wire.target]
    is_level = wire.enters and arrangement.lanes[wire.source] == lane
    return is_level and _is_clear(arrangement, wire, placed, lane, first, last)


def _level(arrangement: Arrangement, wire: Wire, placed: Sequence[Wire]) -> float:
    """The level of a wire beside those that are placed: a lane, its target's or its source's, or else a channel."""
    lane = arrangement.lanes[wire.target]
    if _is_straight(arrangement, wire, placed):
        return lane
    if wire.source.block != OUTSIDE:
        own, last = arrangement.lanes[wire.source], 2 * arrangement.columns[wire.target]
        first = 2 * arrangement.columns[wire.source]
        if not wire.enters and own != lane and _is_clear(arrangement, wire, placed, own, first, last):
            return own
        if wire.enters and own != lane and _is_clear(arrangement, wire, placed, lane, first + 1, last):
            return lane
    return _channel(arrangement, wire.source, wire.target)


def _is_clear(arrangement: Arrangement, wire: Wire, placed: Iterable[Wire], lane: int, first: int, last: int) -> bool:
    """Whether no node and no other value's wire is on a stretch of a lane, counted in half columns."""
    columns, lanes = arrangement.columns, arrangement.lanes
    others = (spot for spot in columns if lanes[spot] == lane and spot not in (wire.source, wire.target))
    if any(first - 1 <= 2 * columns[spot] <= last for spot in others):
        return False
    for other in placed:
        if other.level == lane and other.source != wire.source:
            rises = other.source.block != OUTSIDE and lanes[other.source] != lane
            start = 2 * columns.get(other.source, DOTS) + rises
            if max(first, start) < min(last, 2 * columns[other.target]):
                return False
    return True


def _channel(arrangement: Arrangement, source: Spot, target: Spot) -> float:
    """The channel that leads to the target: above its lane for states, below for other values of that lane."""
    own = 0 if source == STEM_SPOT else arrangement.lanes[Spot(0, source.node)]
    lane = arrangement.lanes[target]
    is_state = source == STEM_SPOT or source.node == arrangement.carried[0]
    return lane + 0.5 if own > lane or (own == lane and not is_state) else lane - 0.5
