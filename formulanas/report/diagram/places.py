"""Coordinates of the picture: how wide its boxes, columns and gutters are, how high its lanes and channels."""

from collections import defaultdict
from dataclasses import dataclass

from formulanas.formula import expressions as ex
from formulanas.report.diagram.dataflow import Kind, Node, label
from formulanas.report.diagram.mathtext import width
from formulanas.report.diagram.routes import DOTS, OUTSIDE, RIGHT, STEM, STEM_SPOT, Edge, Routes, Spot

TEXT_SIZE, LABEL_SIZE = 15.0, 13.0
BOX_HEIGHT, STATE_SIZE, OPERATION_HEIGHT, JOINT_SIZE = 34.0, 38.0, 26.0, 22.0
CLEARANCE, LABEL_CLEARANCE = 23.0, 34.0  # from the middle of a lane to the nearest channel, and with labels between
TRACK, SLOT, PORT, ARROW = 14.0, 10.0, 18.0, 14.0  # between wires side by side; the last stretch before a node
DOTS_WIDTH = 26.0

Span = tuple[float, float]


@dataclass
class Box:
    """A node as it is drawn; `x` and `y` are its middle."""

    kind: Kind
    label: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


class Places:
    """The coordinates of everything that wires join and run along, from the upper left corner of the picture.

    `ports` says how far from the middle of its target a wire from above or below ends, `risers` where in the gutter
    after its source a value changes its level, `drops` where a wire from a channel comes down to enter its target.
    """

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self.boxes = {spot: self._box(spot) for spot in routes.columns}
        self.ports = self._ports()
        self.sides: dict[int, Span] = {}
        self.risers: dict[Spot, float] = {}
        self.drops: dict[Edge, float] = {}
        self._place_columns()
        self.heights: dict[tuple[Spot, float], float] = {}
        self._place_levels()

    @property
    def left(self) -> float:
        """Where wires from outside the picture begin."""
        return self.sides[DOTS][1]

    @property
    def right(self) -> float:
        """Where wires leave the picture."""
        return self.sides[self.routes.end][0]

    @property
    def width(self) -> float:
        """The width of the picture."""
        return self.sides[self.routes.end][1]

    def port(self, edge: Edge) -> float:
        """Where a wire reaches its target from above or below."""
        return self.boxes[edge.target].x + self.ports[edge]

    def level(self, edge: Edge) -> float:
        """How high the wire runs."""
        return self.heights[edge.source, edge.level]

    def rises(self, edge: Edge) -> bool:
        """Whether a wire leaves the lane of its source at once."""
        return edge.source.block != OUTSIDE and edge.level != self.routes.lanes[edge.source]

    def _box(self, spot: Spot) -> Box:
        """The box of a spot, without its place."""
        back = self.routes.num_blocks - 1 - spot.block
        node = self.routes.flow.nodes[spot.node]
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

    def _ports(self) -> dict[Edge, float]:
        """The ports from left to right, those of the nearest levels first; makes the targets wide enough."""
        ports: dict[Edge, float] = {}
        joints: dict[tuple[Spot, bool], list[Edge]] = defaultdict(list)
        for edge in self.routes.edges:
            if not edge.enters and edge.target != RIGHT:
                joints[edge.target, edge.level < self.routes.lanes[edge.target]].append(edge)
        for (target, _), edges in joints.items():
            lane = self.routes.lanes[target]
            edges.sort(key=lambda edge: (abs(edge.level - lane), -self.routes.columns.get(edge.source, DOTS)))
            place = 0.0
            for edge in edges:
                ports[edge] = place
                place += max(PORT, width(edge.label, LABEL_SIZE) + 10)
            span = ports[edges[-1]]
            ports |= {edge: ports[edge] - span / 2 for edge in edges}
            self.boxes[target].width = max(self.boxes[target].width, span + JOINT_SIZE)
        return ports

    def _place_columns(self) -> None:
        """Gives each column, and the gutter after it, the room that boxes, wires and labels need."""
        before: dict[int, float] = defaultdict(float)  # of the middle of a column
        after: dict[int, float] = defaultdict(float)
        labels: dict[int, float] = defaultdict(float)  # in the gutter before a column
        before[DOTS] = after[DOTS] = before[self.routes.end] = after[self.routes.end] = DOTS_WIDTH / 2
        for spot, column in self.routes.columns.items():
            before[column] = after[column] = max(before[column], self.boxes[spot].width / 2)
        for edge in self.routes.edges:
            if edge.label:
                column, size = self.routes.columns[edge.target], width(edge.label, LABEL_SIZE)
                if edge.enters:
                    labels[column] = max(labels[column], size + 4)
                else:
                    after[column] = max(after[column], self.ports[edge] + 6 + size)
        gap = ARROW + (6 if self.routes.arrangement.num_columns > 1 else 46)  # an empty block has a name all the same
        x = 0.0
        for column in range(STEM if STEM_SPOT in self.boxes else DOTS, self.routes.end + 1):
            middle = x + before[column]
            self.sides[column] = x, middle + after[column]
            for spot in (spot for spot in self.boxes if self.routes.columns[spot] == column):
                self.boxes[spot].x = middle
            x = self._place_gutter(column) + labels[column + 1] + gap

    def _place_gutter(self, column: int) -> float:
        """Gives the wires that change their level after `column` a slot each; the end of the last one."""
        x = self.sides[column][1]
        for edge in self.routes.edges:
            if self.rises(edge) and self.routes.columns[edge.source] == column and edge.source not in self.risers:
                x += SLOT
                self.risers[edge.source] = x
        for edge in self.routes.edges:
            if edge.enters and edge.level % 1 and self.routes.columns[edge.target] == column + 1:
                x += SLOT
                self.drops[edge] = x
        return x

    def _place_levels(self) -> None:
        """Gives each value in a channel a track, short stretches nearest to the lane, and each level its height."""
        tracks, numbers = self._tracks()
        y = 0.0
        for lane in range(self.routes.arrangement.num_lanes):
            num_tracks = len(tracks[lane - 0.5])
            for (source, level), number in numbers.items():
                if level == lane - 0.5:
                    self.heights[source, level] = y + TRACK * (num_tracks - number - 0.5)
            y += TRACK * num_tracks + self._clearance(lane, above=True)
            for edge in self.routes.edges:
                self.heights[edge.source, lane] = y
            for spot in (spot for spot in self.boxes if self.routes.lanes[spot] == lane):
                self.boxes[spot].y = y
            y += self._clearance(lane, above=False)
        for (source, level), number in numbers.items():
            if level == lane + 0.5:
                self.heights[source, level] = y + TRACK * (number + 0.5)
        self.height = y + TRACK * len(tracks[lane + 0.5])

    def _tracks(self) -> tuple[dict[float, list[list[Span]]], dict[tuple[Spot, float], int]]:
        """The tracks of each channel with the stretches on them, and on which one each value runs."""
        spans: dict[tuple[Spot, float], Span] = {}
        for edge in self.routes.edges:
            if edge.level % 1:
                end = self.right if edge.target == RIGHT else self.drops[edge] if edge.enters else self.port(edge)
                first, last = spans.get((edge.source, edge.level), (self.risers.get(edge.source, self.left), end))
                spans[edge.source, edge.level] = first, max(last, end)
        tracks: dict[float, list[list[Span]]] = defaultdict(list)
        numbers: dict[tuple[Spot, float], int] = {}
        for (source, level), span in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
            rows = tracks[level]
            number = next((at for at, row in enumerate(rows) if _is_free(row, span)), len(rows))
            if number == len(rows):
                rows.append([])
            rows[number].append(span)
            numbers[source, level] = number
        return tracks, numbers

    def _clearance(self, lane: int, above: bool) -> float:
        """The room above or below the middle of a lane, more where labels stand there."""
        labelled = any(
            edge.label and self.routes.lanes[edge.target] == lane and (edge.enters or edge.level < lane) == above
            for edge in self.routes.edges
        )
        return LABEL_CLEARANCE if labelled else CLEARANCE


def _is_free(row: list[Span], span: Span) -> bool:
    return not any(max(first, span[0]) < min(last, span[1]) + SLOT for first, last in row)
