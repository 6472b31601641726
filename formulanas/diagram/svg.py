"""The picture of a bound recursion as SVG text: a few blocks in a row, what runs between them, and the formula."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from formulanas.diagram.arrangement import FIRST, OUTSIDE, RIGHT, STEM_SPOT, Arrangement, Spot, arrange
from formulanas.diagram.coordinates import (
    ARROW,
    DOTS_WIDTH,
    LABEL_SIZE,
    TEXT_SIZE,
    Box,
    Coordinates,
    coordinates,
    rises,
)
from formulanas.diagram.dataflow import coefficient_label, dataflow
from formulanas.diagram.mathtext import Piece, pieces, width
from formulanas.diagram.wires import Wire, wires
from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.latex import latex_expression
from formulanas.records import write_text

Point = tuple[float, float]

MAX_BLOCKS = 5
MARGIN, LINE, FORMULA_SIZE, MAX_LINE = 24.0, 30.0, 18.0, 900.0
CORNER, HEAD = 6.0, 8.0  # how round wires turn, how long arrows are
FONTS = "'STIX Two Text', 'Times New Roman', Times, serif"
INK, HISTORY, PAPER, FRAME, TRANSFORM = "#1a1a1a", "#a8480f", "#ffffff", "#f3f3f3", "#dce8f5"
LETTER = re.compile("(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[\u03b1-\u03c9]")


def diagram(recursion: BoundRecursion) -> str:
    """A self-contained SVG picture of `recursion`: as many blocks as its history needs, and one more, at most five."""
    flow = dataflow(recursion)
    arrangement = arrange(flow, num_blocks=min(MAX_BLOCKS, 2 + flow.history_depth))
    joined = wires(arrangement)
    where = coordinates(arrangement, joined)
    equations = [f"{name}_{{n}} = {latex_expression(value)}" for name, value in recursion.equations.items()]
    lines = [line for equation in equations for line in _lines(equation)]
    note = ", ".join(f"{name} = {value}" for name, value in recursion.declarations.items())
    top = 1.5 * MARGIN + LINE * (len(lines) + bool(note))
    whole = 2 * MARGIN + max(where.width, *(width(line, FORMULA_SIZE) for line in lines))
    height = top + where.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {whole:.0f} {height:.0f}"'
        f' width="{whole:.0f}" height="{height:.0f}" font-family="{FONTS}" fill="{INK}">',
        f"<title>{escape(recursion.text)}</title>",
        f"<desc>{arrangement.num_blocks} consecutive blocks of the recursion, from left to right. Boxes are residual "
        "functions, rounded boxes operations, circles with a plus or a dot sums and products, circles with a name "
        "states; thick lines are what comes from earlier blocks.</desc>",
        f'<rect width="{whole:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
    ]
    for at, line in enumerate(lines):
        parts.append(_text(pieces(line), whole / 2, MARGIN + LINE * (at + 0.6), FORMULA_SIZE, "middle"))
    if note:
        parts.append(_text([Piece(note, 0, 1)], whole / 2, MARGIN + LINE * (len(lines) + 0.5), LABEL_SIZE, "middle"))
    parts.append(f'<g transform="translate({(whole - where.width) / 2:.1f} {top:.1f})">')
    text = "\n".join([*parts, *_body(arrangement, joined, where), "</g>", "</svg>", ""])
    return text.encode("ascii", "xmlcharrefreplace").decode()  # it is read the same in every encoding


def write_diagram(path: Path, recursion: BoundRecursion) -> None:
    """Draws `recursion` to an SVG file. Raises InputError where it cannot be written."""
    try:
        write_text(path, diagram(recursion))
    except OSError as error:
        raise InputError(f"the picture cannot be written to {path}: {error.strerror}") from None


def _lines(latex: str) -> list[str]:
    """The formula in lines that are not too long, broken before a sign."""
    lines = [""]
    for piece in re.split(r"(?= [+-] )", latex):
        whole = lines[-1].count("{") == lines[-1].count("}")
        if whole and width(lines[-1] or "x", FORMULA_SIZE) > MAX_LINE:
            lines.append("")
        lines[-1] += piece
    return lines


def _body(arrangement: Arrangement, joined: Sequence[Wire], where: Coordinates) -> Iterator[str]:
    """What stands under the formula: frames, lines, dots where the picture goes on, boxes and labels."""
    for block in range(arrangement.num_blocks):
        yield from _frame(arrangement, where, block)
    lines = [(_corners(arrangement, wire, where), wire.history, _has_arrow(wire, where)) for wire in joined]
    if stem := where.boxes.get(STEM_SPOT):
        lines.append(([(stem.x + stem.width / 2, stem.y), (where.left - DOTS_WIDTH, stem.y)], False, False))
    for points, history, arrow in sorted(lines, key=lambda line: line[1]):
        yield from _line(points, history, arrow)
    dots: dict[Point, bool] = {}
    for wire in joined:
        if wire.source.block == OUTSIDE:
            dots[where.left - DOTS_WIDTH / 2, where.levels[wire]] = wire.history
        if wire.target == RIGHT:
            dots[where.right + DOTS_WIDTH / 2, where.levels[wire]] = wire.history
    for (x, y), history in dots.items():
        circles = "".join(f'<circle cx="{x + step:.1f}" cy="{y:.1f}" r="1.5"/>' for step in (-6, 0, 6))
        yield f'<g fill="{HISTORY if history else INK}">{circles}</g>'
    for box in where.boxes.values():
        if box.width:
            yield from _box(box)
    for wire in joined:
        if wire.label:
            yield _label(wire, where)


def _frame(arrangement: Arrangement, where: Coordinates, block: int) -> Iterator[str]:
    """The stretch of a block, from its first column to the last one before its state, and its name."""
    first = FIRST + block * arrangement.num_columns
    last = first + arrangement.num_columns - 1
    ends = arrangement.columns[Spot(block, arrangement.flow.outputs["x"])] == last
    left, right = where.sides[first - 1][1] + 4, where.sides[last][0] - ARROW if ends else where.sides[last][1] + 4
    sides = f'width="{right - left:.1f}" height="{where.height + 16:.1f}"'
    yield f'<rect class="block" x="{left:.1f}" y="-8" {sides} rx="8" fill="{FRAME}"/>'
    name = coefficient_label(ex.BLOCK, arrangement.num_blocks - 1 - block).replace(" ", "")
    middle = (left + right) / 2
    yield _text(pieces(rf"\mathrm{{block}}\,\,{name}"), middle, where.height + 28, LABEL_SIZE, "middle")


def _has_arrow(wire: Wire, where: Coordinates) -> bool:
    return wire.target != RIGHT and where.boxes[wire.target].width > 0


def _corners(arrangement: Arrangement, wire: Wire, where: Coordinates) -> list[Point]:
    """The way of a wire from its source, or the left edge of the picture, to its target or the right edge."""
    level, points = where.levels[wire], list[Point]()
    if wire.source.block == OUTSIDE:
        points.append((where.left, level))
    else:
        source = where.boxes[wire.source]
        points.append((source.x + source.width / 2, source.y))
        if rises(arrangement, wire):
            riser = where.risers[wire.source]
            points += [(riser, source.y), (riser, level)]
    if wire.target == RIGHT:
        return [*points, (where.right, level)]
    target = where.boxes[wire.target]
    if not wire.enters:
        port = where.ports[wire]
        return [*points, (port, level), (port, target.y + (-1 if level < target.y else 1) * target.height / 2)]
    if drop := where.drops.get(wire):
        points += [(drop, level), (drop, target.y)]
    return [*points, (target.x - target.width / 2, target.y)]


def _label(wire: Wire, where: Coordinates) -> str:
    """The coefficient beside the end of its wire; a sign alone is easily overlooked, and larger."""
    target, text = where.boxes[wire.target], pieces(wire.label)
    size = TEXT_SIZE + 3 if wire.label == "-" else LABEL_SIZE
    if wire.enters:
        return _text(text, target.x - target.width / 2 - ARROW, target.y - 6, size, "end")
    above = where.levels[wire] < target.y
    y = target.y - target.height / 2 - 7 if above else target.y + target.height / 2 + 7 + 0.7 * LABEL_SIZE
    return _text(text, where.ports[wire] + 5, y, size, "start")


def _line(corners: Sequence[Point], history: bool, arrow: bool) -> Iterator[str]:
    """A line with rounded corners, and the head of an arrow."""
    colour, thickness = (HISTORY, 1.8) if history else (INK, 1.3)
    points = [point for at, point in enumerate(corners) if at == 0 or point != corners[at - 1]]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before), _towards(corner, after)
        path += f" L{near[0]:.1f} {near[1]:.1f} Q{corner[0]:.1f} {corner[1]:.1f} {far[0]:.1f} {far[1]:.1f}"
    (x0, y0), (x, y) = points[-2:]
    yield f'<path class="wire" d="{path} L{x:.1f} {y:.1f}" fill="none" stroke="{colour}" stroke-width="{thickness}"/>'
    if arrow:
        back = _towards((x, y), (x0, y0), HEAD)
        dx, dy = (back[1] - y) * 0.45, (back[0] - x) * 0.45
        ends = f"L{back[0] - dx:.1f} {back[1] - dy:.1f} L{back[0] + dx:.1f} {back[1] + dy:.1f}"
        yield f'<path d="M{x:.1f} {y:.1f} {ends} Z" fill="{colour}"/>'


def _towards(corner: Point, other: Point, distance: float = 0.0) -> Point:
    """The point `distance` from a corner, by default where it begins to be round."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)  # one of them is zero
    share = (distance or min(CORNER, length / 2)) / length
    return corner[0] + share * dx, corner[1] + share * dy


def _box(box: Box) -> Iterator[str]:
    match box.kind:
        case "transform":
            style = f'rx="2" fill="{TRANSFORM}" stroke-width="1.6"'
        case "text":
            style = f'rx="2" fill="{PAPER}" stroke-width="1.2" stroke-dasharray="4 2"'
        case "state" | "sum" | "product":
            style = f'rx="{box.height / 2:.1f}" fill="{PAPER}" stroke-width="1.2"'
        case _:
            style = f'rx="7" fill="{PAPER}" stroke-width="1.2"'
    at = f'x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}"'
    yield f'<rect class="{box.kind}" {at} width="{box.width:.1f}" height="{box.height:.1f}" stroke="{INK}" {style}/>'
    if box.kind == "sum":
        cross = f"M{box.x - 6:.1f} {box.y:.1f} h12 M{box.x:.1f} {box.y - 6:.1f} v12"
        yield f'<path d="{cross}" stroke="{INK}" stroke-width="1.5"/>'
    elif box.kind == "product":
        yield f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="2.6"/>'
    else:
        yield _text(pieces(box.label), box.x, box.y + 0.3 * TEXT_SIZE, TEXT_SIZE, "middle")


def _text(content: list[Piece], x: float, y: float, size: float, anchor: str) -> str:
    """A line of text; single letters are italic, indices small and below or above the line."""
    spans, rise = "", 0.0
    for piece in content:
        letters = LETTER.sub(r'<tspan font-style="italic">\g<0></tspan>', escape(piece.text))
        spans += f'<tspan dy="{(rise - piece.rise) * size:.1f}" font-size="{piece.size * size:.1f}">{letters}</tspan>'
        rise = piece.rise
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.0f}" text-anchor="{anchor}">{spans}</text>'
