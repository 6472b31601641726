"""The wires, labels and frames of the picture, between the boxes in their places."""

from collections.abc import Iterator
from dataclasses import dataclass

from formulanas.formula import expressions as ex
from formulanas.report.diagram.dataflow import coefficient_label
from formulanas.report.diagram.places import ARROW, DOTS_WIDTH, LABEL_SIZE, Box, Places
from formulanas.report.diagram.routes import FIRST, OUTSIDE, RIGHT, STEM_SPOT, Edge, Routes, Spot

Point = tuple[float, float]


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


@dataclass(frozen=True)
class Layout:
    """A picture from its upper left corner; `dots` are where it goes on, and whether history does."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    labels: tuple[Text, ...]
    frames: tuple[Frame, ...]
    dots: dict[Point, bool]


def layout(routes: Routes) -> Layout:
    """The picture of `routes`."""
    places = Places(routes)
    wires = [_wire(edge, places) for edge in routes.edges]
    dots: dict[Point, bool] = {}
    for edge in routes.edges:
        if edge.source.block == OUTSIDE:
            dots[places.left - DOTS_WIDTH / 2, places.level(edge)] = edge.history
        if edge.target == RIGHT:
            dots[places.right + DOTS_WIDTH / 2, places.level(edge)] = edge.history
    if stem := places.boxes.get(STEM_SPOT):
        wires.append(Wire(((stem.x + stem.width / 2, stem.y), (places.left - DOTS_WIDTH, stem.y)), False, False))
    return Layout(
        places.width,
        places.height,
        tuple(box for box in places.boxes.values() if box.width),
        tuple(wires),
        tuple(_label(edge, places) for edge in routes.edges if edge.label),
        tuple(_frame(block, places) for block in range(routes.num_blocks)),
        dots,
    )


def _frame(block: int, places: Places) -> Frame:
    """From the first column of a block to the last one before its state."""
    routes, columns = places.routes, places.routes.arrangement.num_columns
    first = FIRST + block * columns
    last = first + columns - 1
    ends = routes.columns[Spot(block, routes.flow.outputs["x"])] == last
    right = places.sides[last][0] - ARROW if ends else places.sides[last][1] + 4
    text = coefficient_label(ex.BLOCK, routes.num_blocks - 1 - block).replace(" ", "")
    return Frame(rf"\mathrm{{block}}\,\,{text}", places.sides[first - 1][1] + 4, right)


def _wire(edge: Edge, places: Places) -> Wire:
    """The wire from its source, or the left edge of the picture, to its target or the right edge."""
    level = places.level(edge)
    arrow = edge.target != RIGHT and places.boxes[edge.target].width > 0
    return Wire((*_departure(edge, level, places), *_arrival(edge, level, places)), edge.history, arrow)


def _departure(edge: Edge, level: float, places: Places) -> Iterator[Point]:
    if edge.source.block == OUTSIDE:
        yield places.left, level
        return
    source = places.boxes[edge.source]
    yield source.x + source.width / 2, source.y
    if places.rises(edge):
        yield places.risers[edge.source], source.y
        yield places.risers[edge.source], level


def _arrival(edge: Edge, level: float, places: Places) -> Iterator[Point]:
    if edge.target == RIGHT:
        yield places.right, level
        return
    target = places.boxes[edge.target]
    if edge.enters:
        if edge in places.drops:
            yield places.drops[edge], level
            yield places.drops[edge], target.y
        yield target.x - target.width / 2, target.y
    else:
        yield places.port(edge), level
        yield places.port(edge), target.y + (-1 if level < target.y else 1) * target.height / 2


def _label(edge: Edge, places: Places) -> Text:
    """The coefficient beside the end of its wire."""
    target = places.boxes[edge.target]
    if edge.enters:
        return Text(edge.label, target.x - target.width / 2 - ARROW, target.y - 6, "end")
    above = places.level(edge) < target.y
    y = target.y - target.height / 2 - 7 if above else target.y + target.height / 2 + 7 + 0.7 * LABEL_SIZE
    return Text(edge.label, places.port(edge) + 5, y, "start")
