"""The picture of a bound recursion as SVG text: a few blocks in a row with what runs between them, and the formula."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from formulanas.errors import InputError
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.latex import latex_expression
from formulanas.records import write_text
from formulanas.report.diagram.arrangement import arrange
from formulanas.report.diagram.dataflow import dataflow
from formulanas.report.diagram.layout import Layout, Wire, layout
from formulanas.report.diagram.mathtext import Run, runs, width
from formulanas.report.diagram.places import LABEL_SIZE, TEXT_SIZE, Box
from formulanas.report.diagram.routes import Routes

MAX_BLOCKS = 5
MARGIN, LINE, FORMULA_SIZE, MAX_LINE = 24.0, 30.0, 18.0, 900.0
CORNER, HEAD = 6.0, 8.0  # how round wires turn, how long arrows are
FONTS = "'STIX Two Text', 'Times New Roman', Times, serif"
INK, HISTORY, PAPER, FRAME, TRANSFORM = "#1a1a1a", "#a8480f", "#ffffff", "#f3f3f3", "#dce8f5"
LETTER = re.compile("(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[\u03b1-\u03c9]")


def diagram(recursion: BoundRecursion) -> str:
    """A self-contained SVG picture of `recursion`: as many blocks as its history needs, and one more, at most five."""
    flow = dataflow(recursion)
    num_blocks = min(MAX_BLOCKS, 2 + flow.history_depth)
    picture = layout(Routes(flow, arrange(flow), num_blocks))
    equations = [f"{name}_{{n}} = {latex_expression(value)}" for name, value in recursion.equations.items()]
    lines = [line for equation in equations for line in _lines(equation)]
    note = ", ".join(f"{name} = {value}" for name, value in recursion.declarations.items())
    top = 1.5 * MARGIN + LINE * (len(lines) + bool(note))
    whole = 2 * MARGIN + max(picture.width, *(width(line, FORMULA_SIZE) for line in lines))
    height = top + picture.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {whole:.0f} {height:.0f}"'
        f' width="{whole:.0f}" height="{height:.0f}" font-family="{FONTS}" fill="{INK}">',
        f"<title>{escape(recursion.text)}</title>",
        f"<desc>{num_blocks} consecutive blocks of the recursion, from left to right. Boxes are residual functions, "
        "rounded boxes operations, circles with a plus or a dot sums and products, circles with a name states; thick "
        "lines are what comes from earlier blocks.</desc>",
        f'<rect width="{whole:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
    ]
    for place, line in enumerate(lines):
        parts.append(_text(runs(line), whole / 2, MARGIN + LINE * (place + 0.6), FORMULA_SIZE, "middle"))
    if note:
        parts.append(_text([Run(note, 0, 1)], whole / 2, MARGIN + LINE * (len(lines) + 0.5), LABEL_SIZE, "middle"))
    parts.append(f'<g transform="translate({(whole - picture.width) / 2:.1f} {top:.1f})">')
    text = "\n".join([*parts, *_body(picture), "</g>", "</svg>", ""])
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


def _body(picture: Layout) -> Iterator[str]:
    for frame in picture.frames:
        sides = f'width="{frame.right - frame.left:.1f}" height="{picture.height + 16:.1f}"'
        yield f'<rect class="block" x="{frame.left:.1f}" y="-8" {sides} rx="8" fill="{FRAME}"/>'
        yield _text(runs(frame.label), (frame.left + frame.right) / 2, picture.height + 28, LABEL_SIZE, "middle")
    for wire in sorted(picture.wires, key=lambda wire: wire.history):
        yield from _wire(wire)
    for (x, y), history in picture.dots.items():
        dots = "".join(f'<circle cx="{x + step:.1f}" cy="{y:.1f}" r="1.5"/>' for step in (-6, 0, 6))
        yield f'<g fill="{HISTORY if history else INK}">{dots}</g>'
    for box in picture.boxes:
        yield from _box(box)
    for text in picture.labels:
        size = TEXT_SIZE + 3 if text.latex == "-" else LABEL_SIZE  # a sign alone is easily overlooked
        yield _text(runs(text.latex), text.x, text.y, size, text.anchor)


def _wire(wire: Wire) -> Iterator[str]:
    """A line with rounded corners, and the head of an arrow."""
    colour, thickness = (HISTORY, 1.8) if wire.history else (INK, 1.3)
    points = [point for at, point in enumerate(wire.points) if at == 0 or point != wire.points[at - 1]]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before), _towards(corner, after)
        path += f" L{near[0]:.1f} {near[1]:.1f} Q{corner[0]:.1f} {corner[1]:.1f} {far[0]:.1f} {far[1]:.1f}"
    (x0, y0), (x, y) = points[-2:]
    yield f'<path class="wire" d="{path} L{x:.1f} {y:.1f}" fill="none" stroke="{colour}" stroke-width="{thickness}"/>'
    if wire.arrow:
        back = _towards((x, y), (x0, y0), HEAD)
        dx, dy = (back[1] - y) * 0.45, (back[0] - x) * 0.45
        ends = f"L{back[0] - dx:.1f} {back[1] - dy:.1f} L{back[0] + dx:.1f} {back[1] + dy:.1f}"
        yield f'<path d="M{x:.1f} {y:.1f} {ends} Z" fill="{colour}"/>'


def _towards(corner: tuple[float, float], other: tuple[float, float], distance: float = 0.0) -> tuple[float, float]:
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
    place = f'x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}"'
    yield f'<rect class="{box.kind}" {place} width="{box.width:.1f}" height="{box.height:.1f}" stroke="{INK}" {style}/>'
    if box.kind == "sum":
        cross = f"M{box.x - 6:.1f} {box.y:.1f} h12 M{box.x:.1f} {box.y - 6:.1f} v12"
        yield f'<path d="{cross}" stroke="{INK}" stroke-width="1.5"/>'
    elif box.kind == "product":
        yield f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="2.6"/>'
    else:
        yield _text(runs(box.label), box.x, box.y + 0.3 * TEXT_SIZE, TEXT_SIZE, "middle")


def _text(content: list[Run], x: float, y: float, size: float, anchor: str) -> str:
    """A line of text; single letters are italic, indices small and below or above the line."""
    pieces, rise = [], 0.0
    for run in content:
        letters = LETTER.sub(r'<tspan font-style="italic">\g<0></tspan>', escape(run.text))
        pieces.append(f'<tspan dy="{(rise - run.rise) * size:.1f}" font-size="{run.size * size:.1f}">{letters}</tspan>')
        rise = run.rise
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.0f}" text-anchor="{anchor}">{"".join(pieces)}</text>'
