"""Where everything in the picture of a recursion stands: boxes, wires and labels with their coordinates."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from formulanas.formula import expressions as ex
from formulanas.report.diagram.dataflow import Kind, Node, coefficient_label, label
from formulanas.report.diagram.mathtext import width
from formulanas.report.diagram.routes import DOTS, FIRST, OUTSIDE, RIGHT, STEM, STEM_SPOT, Edge, Routes, Spot

TEXT_SIZE, LABEL_SIZE = 15.0, 13.0
BOX_HEIGHT, STATE_SIZE, OPERATION_HEIGHT, JOINT_SIZE = 34.0, 38.0, 26.0, 22.0
CLEARANCE, LABEL_CLEARANCE = 23.0, 34.0  # from the middle of a lane to the nearest channel, and with labels between
TRACK, SLOT, ARROW, PORT = 14.0, 10.0, 14.0, 18.0  # distances: of wires, of the last stretch before a node, of ports
DOTS_WIDTH = 26.0

Point = tuple[float, float]


@dataclass
class Box:
    """A node as it is drawn; `x` and `y` are its middle."""

    kind: Kind
    label: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Wire:
    """A way from left to right along its corners; history is what comes from earlier blocks."""

    points: tuple[Point, ...]
    history: bool
    arrow: bool


@dataclass(frozen=True)
class Text:
    """LaTeX whose baseline is at `y`, and that starts or ends at `x`."""

    latex: str
    x: float
    y: float
    anchor: str


@dataclass(frozen=True)
class Frame:
    """The stretch of the picture in which a block stands."""

    label: str
    left: float
    right: float


@dataclass
class Layout:
    """The picture of `routes` from its upper left corner; `dots` are the places where it goes on."""

    routes: Routes
    boxes: dict[Spot, Box] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    labels: list[Text] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    dots: dict[Point, bool] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0

    def __post_init__(self) -> None:
        self.boxes = {spot: self.box(spot) for spot in self.routes.columns}
        self.ports = self.find_ports()
        self.place_columns()
        self.place_levels()
        for edge in self.routes.edges:
            self.draw(edge)
        if STEM_SPOT in self.boxes:
            stem = self.boxes[STEM_SPOT]
            self.wires.append(
                Wire(((stem.x + stem.width / 2, stem.y), (self.left_edge - DOTS_WIDTH, stem.y)), False, False)
            )

    def box(self, spot: Spot) -> Box:
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

    def find_ports(self) -> dict[Edge, float]:
        """How far from the middle of its target each wire from above or below ends; makes the targets wide enough."""
        ports: dict[Edge, float] = {}
        sides: dict[tuple[Spot, bool], list[Edge]] = defaultdict(list)
        for edge in self.routes.edges:
            if not edge.enters and edge.target != RIGHT:
                sides[edge.target, edge.level < self.routes.lanes[edge.target]].append(edge)
        for (target, _), edges in sides.items():
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

    def place_columns(self) -> None:
        """Gives each column, and each gutter after it, the room that its boxes, wires and labels need."""
        left, right, text = (
            defaultdict[int, float](float),
            defaultdict[int, float](float),
            defaultdict[int, float](float),
        )
        for spot, column in self.routes.columns.items():
            left[column] = right[column] = max(left[column], self.boxes[spot].width / 2)
        for edge in self.routes.edges:
            if edge.target == RIGHT:
                continue
            column, size = self.routes.columns[edge.target], width(edge.label, LABEL_SIZE)
            if edge.enters:
                text[column] = max(text[column], size)
            elif edge.label:
                right[column] = max(right[column], self.ports[edge] + 6 + size)
        left[DOTS] = right[DOTS] = left[self.routes.end] = right[self.routes.end] = DOTS_WIDTH / 2
        self.risers, self.drops = dict[Spot, float](), dict[tuple[Spot, Spot], float]()
        self.middles: dict[int, float] = {}
        self.sides: dict[int, tuple[float, float]] = {}
        x = 0.0
        for column in range(STEM if STEM_SPOT in self.boxes else DOTS, self.routes.end + 1):
            self.middles[column] = x + left[column]
            self.sides[column] = x, x + left[column] + right[column]
            x = self.sides[column][1]
            slots = [*self.rising(column), *self.dropping(column + 1)]
            for slot, key in enumerate(slots):
                place = x + SLOT * (slot + 1)
                if isinstance(key, Spot):
                    self.risers[key] = place
                else:
                    self.drops[key] = place
            if column < self.routes.end:
                x += SLOT * len(slots) + (text[column + 1] + 4 if text[column + 1] else 0) + ARROW + 6
        self.width = x
        for spot, column in self.routes.columns.items():
            self.boxes[spot].x = self.middles[column]
        self.frames = [self.frame(block) for block in range(self.routes.num_blocks)]

    def rising(self, column: int) -> list[Spot]:
        """The spots of a column whose wires change their level in the gutter after it."""
        spots = (edge.source for edge in self.routes.edges if self.rises(edge))
        return [spot for spot in dict.fromkeys(spots) if self.routes.columns[spot] == column]

    def rises(self, edge: Edge) -> bool:
        """Whether a wire leaves the lane of its source at once."""
        return edge.source.block != OUTSIDE and edge.level != self.routes.lanes[edge.source]

    def dropping(self, column: int) -> list[tuple[Spot, Spot]]:
        """The wires that come from a channel into the gutter before `column`, to enter a node from the left."""
        return [
            (edge.source, edge.target)
            for edge in self.routes.edges
            if edge.enters and edge.level % 1 and self.routes.columns.get(edge.target) == column
        ]

    def frame(self, block: int) -> Frame:
        """From the first column of a block to the last one before its state."""
        first, columns = FIRST + block * self.routes.arrangement.num_columns, self.routes.arrangement.num_columns
        state = self.routes.columns[Spot(block, self.routes.flow.outputs["x"])]
        last = first + columns - 1
        right = self.sides[last][0] - ARROW if state == last else self.sides[last][1] + 4
        text = coefficient_label(ex.BLOCK, self.routes.num_blocks - 1 - block).replace(" ", "")
        return Frame(rf"\mathrm{{block}}\,\,{text}", self.sides[first - 1][1] + 4, right)

    @property
    def left_edge(self) -> float:
        """Where wires from outside the picture begin."""
        return self.middles[DOTS] + DOTS_WIDTH / 2

    @property
    def right_edge(self) -> float:
        """Where wires leave the picture."""
        return self.middles[self.routes.end] - DOTS_WIDTH / 2

    def place_levels(self) -> None:
        """Gives each wire in a channel a track, short ones nearest to the lane, and each level its height."""
        spans: dict[tuple[Spot, float], tuple[float, float]] = {}
        for edge in self.routes.edges:
            if edge.level % 1:
                first = self.risers.get(edge.source, self.left_edge)
                known = spans.get((edge.source, edge.level), (first, first))
                spans[edge.source, edge.level] = first, max(known[1], self.turn(edge))
        tracks: dict[float, list[list[tuple[float, float]]]] = defaultdict(list)
        numbers: dict[tuple[Spot, float], int] = {}
        for (spot, level), span in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
            rows = tracks[level]
            number = next((at for at, row in enumerate(rows) if _is_free(row, span)), len(rows))
            rows[number:] = [[*(rows[number] if number < len(rows) else []), span], *rows[number + 1 :]]
            numbers[spot, level] = number
        self.heights: dict[tuple[Spot, float] | float, float] = {}
        y = 0.0
        for lane in range(self.routes.arrangement.num_lanes):
            above = tracks[lane - 0.5]
            for key in [key for key in numbers if key[1] == lane - 0.5]:
                row = len(above) - 1 - numbers[key]
                self.heights[key] = y + TRACK * (row + 0.5)
            y += TRACK * len(above) + self.clearance(lane, above=True)
            self.heights[lane] = y
            y += self.clearance(lane, above=False)
        for key in [key for key in numbers if key[1] == lane + 0.5]:
            self.heights[key] = y + TRACK * (numbers[key] + 0.5)
        self.height = y + TRACK * len(tracks[lane + 0.5])
        for spot, lane in self.routes.lanes.items():
            self.boxes[spot].y = self.heights[lane]

    def clearance(self, lane: int, above: bool) -> float:
        """The room above or below the middle of a lane, more where labels stand there."""
        for edge in self.routes.edges:
            if edge.label and self.routes.lanes[edge.target] == lane and (edge.enters or edge.level < lane) == above:
                return LABEL_CLEARANCE
        return CLEARANCE

    def turn(self, edge: Edge) -> float:
        """Where a wire leaves its level for its target, or the picture."""
        if edge.target == RIGHT:
            return self.right_edge
        return self.drops[edge.source, edge.target] if edge.enters else self.port(edge)

    def port(self, edge: Edge) -> float:
        """Where a wire reaches its target from above or below."""
        return self.boxes[edge.target].x + self.ports[edge]

    def draw(self, edge: Edge) -> None:
        """Adds the wire and its label, and dots where it comes from outside or goes there."""
        level = self.heights[(edge.source, edge.level) if edge.level % 1 else edge.level]
        points: list[Point] = []
        if edge.source.block == OUTSIDE:
            points.append((self.left_edge, level))
            self.dots[self.middles[DOTS], level] = edge.history
        else:
            source = self.boxes[edge.source]
            points.append((source.x + source.width / 2, source.y))
            if self.rises(edge):
                points += [(self.risers[edge.source], source.y), (self.risers[edge.source], level)]
        if edge.target == RIGHT:
            points.append((self.right_edge, level))
            self.dots[self.middles[self.routes.end], level] = edge.history
        else:
            points += self.approach(edge, level)
        self.wires.append(
            Wire(tuple(points), edge.history, arrow=edge.target != RIGHT and self.boxes[edge.target].width > 0)
        )

    def approach(self, edge: Edge, level: float) -> Iterable[Point]:
        """The last corners of a wire, from its level into its target; adds its label."""
        target = self.boxes[edge.target]
        if edge.enters:
            start = target.x - target.width / 2
            if edge.label:
                self.labels.append(Text(edge.label, start - ARROW, target.y - 6, "end"))
            turn = [(self.drops[edge.source, edge.target], y) for y in (level, target.y)] if edge.level % 1 else []
            return [*turn, (start, target.y)]
        above = level < target.y
        edge_y = target.y + (-target.height / 2 if above else target.height / 2)
        if edge.label:
            y = edge_y - 7 if above else edge_y + 7 + 0.7 * LABEL_SIZE
            self.labels.append(Text(edge.label, self.port(edge) + 5, y, "start"))
        return [(self.port(edge), level), (self.port(edge), edge_y)]


def _is_free(row: list[tuple[float, float]], span: tuple[float, float]) -> bool:
    return not any(max(first, span[0]) < min(last, span[1]) + SLOT for first, last in row)
