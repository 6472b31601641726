"""Coordinates of a picture: how wide its boxes, columns and gutters are, how high its lanes and channels."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from formulanas.diagram.arrangement import DOTS, OUTSIDE, RIGHT, STEM, STEM_SPOT, Arrangement, Spot
from formulanas.diagram.dataflow import Kind, Node, label
from formulanas.diagram.mathtext import width
from formulanas.diagram.wires import Wire
from formulanas.formula import expressions as ex

TEXT_SIZE, LABEL_SIZE = 15.0, 13.0
BOX_HEIGHT, STATE_SIZE, OPERATION_HEIGHT, JOINT_SIZE = 34.0, 38.0, 26.0, 22.0
CLEARANCE, LABEL_CLEARANCE = 23.0, 34.0  # from the middle of a lane to the nearest channel, and with labels between
TRACK, SLOT, PORT, ARROW = 14.0, 10.0, 18.0, 14.0  # between wires side by side; the last stretch before a node
DOTS_WIDTH = 26.0

Span = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A node as it is drawn; `x` and `y` are its middle. What is not drawn has no width."""

    kind: Kind
    label: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Coordinates:
    """Where everything is that wires join and run along, from the upper left corner of the picture.

    `ports` says where a wire from above or below reaches its target, `risers` where in the gutter after its source a
    value changes its level, `drops` where a wire from a channel comes down to enter its target, and `levels` how high
    a wire runs.
    """

    boxes: Mapping[Spot, Box]
    sides: Mapping[int, Span]  # of the columns
    ports: Mapping[Wire, float]
    risers: Mapping[Spot, float]
    drops: Mapping[Wire, float]
    levels: Mapping[Wire, float]
    left: float  # where wires from outside begin
    right: float  # and where wires leave the picture
    width: float
    height: float


def coordinates(arrangement: Arrangement, wires: Sequence[Wire]) -> Coordinates:
    """The coordinates of the nodes of an arrangement and of the wires between them."""
    offsets, spans = _offsets(arrangement, wires)
    boxes = {spot: _box(arrangement, spot) for spot in arrangement.columns}
    boxes |= {spot: replace(boxes[spot], width=max(boxes[spot].width, span)) for spot, span in spans.items()}
    sides, middles, risers, drops = _columns(arrangement, wires, boxes, offsets)
    ports = {wire: middles[arrangement.columns[wire.target]] + offset for wire, offset in offsets.items()}
    left, (right, end) = sides[DOTS][1], sides[arrangement.end]
    stretches: dict[tuple[Spot, float], Span] = {}  # of the values in channels, from where to where
    for wire in wires:
        if wire.level % 1:
            stop = right if wire.target == RIGHT else drops[wire] if wire.enters else ports[wire]
            start, last = stretches.get((wire.source, wire.level), (risers.get(wire.source, left), stop))
            stretches[wire.source, wire.level] = start, max(last, stop)
    middle_of, height_of, height = _levels(arrangement, wires, stretches)
    levels = {wire: height_of[wire.source, wire.level] if wire.level % 1 else middle_of[wire.level] for wire in wires}
    boxes = {
        spot: replace(box, x=middles[arrangement.columns[spot]], y=middle_of[arrangement.lanes[spot]])
        for spot, box in boxes.items()
    }
    return Coordinates(boxes, sides, ports, risers, drops, levels, left, right, end, height)


def rises(arrangement: Arrangement, wire: Wire) -> bool:
    """Whether a wire leaves the lane of its source at once."""
    return wire.source.block != OUTSIDE and wire.level != arrangement.lanes[wire.source]


def _box(arrangement: Arrangement, spot: Spot) -> Box:
    """The box of a spot, not yet in its place."""
    node, back = arrangement.flow.nodes[spot.node], arrangement.num_blocks - 1 - spot.block
    if spot == STEM_SPOT:
        node, back = Node("state", ex.State("x", ex.ZERO), ()), 0
    if spot.block == -1 and node.kind != "state":
        return Box(node.kind, "", 0.0, 0.0)  # a running sum has no name: only its wire is drawn
    text = label(node, back)
    size = width(text, TEXT_SIZE)
    match node.kind:
        case "transform":
            return Box(node.kind, text, max(46.0, size + 16), BOX_HEIGHT)
        case "state":
            return Box(node.kind, text, max(STATE_SIZE, size + 6), STATE_SIZE)
        case "sum" | "product":
            return Box(node.kind, text, JOINT_SIZE, JOINT_SIZE)
    return Box(node.kind, text, size + 14, OPERATION_HEIGHT)


def _offsets(arrangement: Arrangement, wires: Sequence[Wire]) -> tuple[dict[Wire, float], dict[Spot, float]]:
    """The ports from the middles of their targets, the nearest levels first, and how wide that makes the targets."""
    joints: dict[tuple[Spot, bool], list[Wire]] = defaultdict(list)
    for wire in wires:
        if not wire.enters and wire.target != RIGHT:
            joints[wire.target, wire.level < arrangement.lanes[wire.target]].append(wire)
    offsets: dict[Wire, float] = {}
    spans: dict[Spot, float] = defaultdict(float)
    for (target, _), joined in joints.items():
        lane = arrangement.lanes[target]
        joined.sort(key=lambda wire: (abs(wire.level - lane), -arrangement.columns.get(wire.source, DOTS)))
        starts = [0.0]
        for wire in joined:
            starts.append(starts[-1] + max(PORT, width(wire.label, LABEL_SIZE) + 10))
        span = starts[-2]
        offsets |= {wire: start - span / 2 for wire, start in zip(joined, starts, strict=False)}
        spans[target] = max(spans[target], span + JOINT_SIZE)
    return offsets, spans


def _columns(
    arrangement: Arrangement, wires: Sequence[Wire], boxes: Mapping[Spot, Box], offsets: Mapping[Wire, float]
) -> tuple[dict[int, Span], dict[int, float], dict[Spot, float], dict[Wire, float]]:
    """The sides and middles of columns, and the risers and drops in the gutters, with the room that labels need."""
    before: dict[int, float] = defaultdict(float)  # of the middle of a column
    after: dict[int, float] = defaultdict(float)
    labels: dict[int, float] = defaultdict(float)  # in the gutter before a column
    before[DOTS] = after[DOTS] = before[arrangement.end] = after[arrangement.end] = DOTS_WIDTH / 2
    for spot, column in arrangement.columns.items():
        before[column] = after[column] = max(before[column], boxes[spot].width / 2)
    for wire in wires:
        if wire.label:
            column, size = arrangement.columns[wire.target], width(wire.label, LABEL_SIZE)
            if wire.enters:
                labels[column] = max(labels[column], size + 4)
            else:
                after[column] = max(after[column], offsets[wire] + 6 + size)
    gap = ARROW + (6 if arrangement.num_columns > 1 else 46)  # an empty block has a name all the same
    sides: dict[int, Span] = {}
    middles: dict[int, float] = {}
    risers: dict[Spot, float] = {}
    drops: dict[Wire, float] = {}
    x = 0.0
    for column in range(STEM if STEM_SPOT in boxes else DOTS, arrangement.end + 1):
        middles[column] = x + before[column]
        sides[column] = x, middles[column] + after[column]
        x = sides[column][1]
        for wire in wires:
            if rises(arrangement, wire) and arrangement.columns[wire.source] == column and wire.source not in risers:
                x += SLOT
                risers[wire.source] = x
        for wire in wires:
            if wire.enters and wire.level % 1 and arrangement.columns[wire.target] == column + 1:
                x += SLOT
                drops[wire] = x
        x = x + labels[column + 1] + gap
    return sides, middles, risers, drops


def _levels(
    arrangement: Arrangement, wires: Sequence[Wire], stretches: Mapping[tuple[Spot, float], Span]
) -> tuple[dict[float, float], dict[tuple[Spot, float], float], float]:
    """The heights of lanes and of the values in channels, and of the whole; short stretches run nearest to the lane."""
    tracks: dict[float, list[list[Span]]] = defaultdict(list)
    numbers: dict[tuple[Spot, float], int] = {}
    for (source, level), span in sorted(stretches.items(), key=lambda item: item[1][1] - item[1][0]):
        number = next((at for at, track in enumerate(tracks[level]) if _is_free(track, span)), len(tracks[level]))
        if number == len(tracks[level]):
            tracks[level].append([])
        tracks[level][number].append(span)
        numbers[source, level] = number
    middles: dict[float, float] = {}
    y = 0.0
    tops: dict[float, float] = {}  # of the channels
    for lane in range(arrangement.num_lanes):
        tops[lane - 0.5] = y
        middles[lane] = y + TRACK * len(tracks[lane - 0.5]) + _clearance(arrangement, wires, lane, above=True)
        y = middles[lane] + _clearance(arrangement, wires, lane, above=False)
    bottom = lane + 0.5
    tops[bottom] = y
    heights = {
        (source, level): tops[level] + TRACK * ((number if level == bottom else len(tracks[level]) - number - 1) + 0.5)
        for (source, level), number in numbers.items()
    }
    return middles, heights, y + TRACK * len(tracks[bottom])


def _is_free(track: Sequence[Span], span: Span) -> bool:
    return not any(max(first, span[0]) < min(last, span[1]) + SLOT for first, last in track)


def _clearance(arrangement: Arrangement, wires: Sequence[Wire], lane: int, above: bool) -> float:
    """The room above or below the middle of a lane, more where labels stand there."""
    labelled = any(
        wire.label and arrangement.lanes[wire.target] == lane and (wire.enters or wire.level < lane) == above
        for wire in wires
    )
    return LABEL_CLEARANCE if labelled else CLEARANCE
