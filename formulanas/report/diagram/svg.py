"""The picture of a bound recursion: a few blocks in a row with what runs between them, as SVG text."""

import re
from xml.sax.saxutils import escape

from formulanas.formula.bound import BoundRecursion
from formulanas.formula.render import latex_expression
from formulanas.report.diagram.arrangement import arrange
from formulanas.report.diagram.dataflow import dataflow
from formulanas.report.diagram.layout import LABEL_SIZE, TEXT_SIZE, Box, Layout, Wire
from formulanas.report.diagram.mathtext import runs, width
from formulanas.report.diagram.routes import Routes

MAX_BLOCKS = 5
MARGIN, FORMULA_SIZE, LINE = 24.0, 18.0, 30.0
MAX_LINE = 900.0
FONTS = "'STIX Two Text', 'Times New Roman', Times, serif"
INK, HISTORY, FRAME, TRANSFORM, PLAIN = "#1a1a1a", "#a8480f", "#f3f3f3", "#dce8f5", "#ffffff"
CORNER = 6.0
LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[α-ω]")


def diagram(recursion: BoundRecursion) -> str:
    """A self-contained SVG picture of `recursion`, its formula above it."""
    flow = dataflow(recursion)
    num_blocks = min(MAX_BLOCKS, 2 + flow.history_depth)
    layout = Layout(Routes(flow, arrange(flow), num_blocks))
    lines = [
        line
        for name, value in recursion.equations.items()
        for line in _lines(f"{name}_{{n}} = {latex_expression(value)}")
    ]
    note = ", ".join(f"{name} = {value}" for name, value in recursion.declarations.items())
    top = MARGIN + LINE * len(lines) + (LINE if note else 0)
    whole = 2 * MARGIN + max(layout.width, *(width(line, FORMULA_SIZE) for line in lines))
    height = top + layout.height + 2.5 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole:.0f} {height:.0f}" width="{whole:.0f}"'
        f' height="{height:.0f}" font-family="{FONTS}" fill="{INK}">',
        f"<title>{escape(recursion.text)}</title>",
        f"<desc>The last {num_blocks} blocks of the recursion, from left to right. Boxes are residual functions and "
        "operations, circles with a plus or a dot are sums and products, and rounded ones are states.</desc>",
        f'<rect width="{whole:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    for place, line in enumerate(lines):
        parts.append(_text(line, whole / 2, MARGIN + LINE * (place + 0.6), FORMULA_SIZE, "middle"))
    if note:
        parts.append(_text(rf"\mathrm{{{note}}}", whole / 2, MARGIN + LINE * (len(lines) + 0.5), LABEL_SIZE, "middle"))
    parts.append(f'<g transform="translate({(whole - layout.width) / 2:.1f} {top + MARGIN / 2:.1f})">')
    parts += _body(layout)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _lines(latex: str) -> list[str]:
    """The formula in lines that are not too long, broken before a sign."""
    lines = [""]
    for piece in re.split(r"(?= [+-] )", latex):
        whole = lines[-1].count("{") == lines[-1].count("}")
        if lines[-1] and whole and width(lines[-1], FORMULA_SIZE) > MAX_LINE:
            lines.append("")
        lines[-1] += piece
    return lines


def _body(layout: Layout) -> list[str]:
    parts = []
    for frame in layout.frames:
        parts.append(
            f'<rect x="{frame.left:.1f}" y="-8" width="{frame.right - frame.left:.1f}" height="{layout.height + 16:.1f}"'
            f' rx="8" fill="{FRAME}"/>'
        )
        middle = (frame.left + frame.right) / 2
        parts.append(_text(frame.label, middle, layout.height + 28, LABEL_SIZE, "middle"))
    for wire in sorted(layout.wires, key=lambda wire: wire.history):
        parts += _wire(wire)
    for (x, y), history in layout.dots.items():
        dots = "".join(f'<circle cx="{x + step:.1f}" cy="{y:.1f}" r="1.5"/>' for step in (-6, 0, 6))
        parts.append(f'<g fill="{HISTORY if history else INK}">{dots}</g>')
    for box in layout.boxes.values():
        parts += _box(box)
    for text in layout.labels:
        size = TEXT_SIZE + 3 if text.latex == "-" else LABEL_SIZE  # a sign alone is easily overlooked
        parts.append(_text(text.latex, text.x, text.y, size, text.anchor))
    return parts


def _wire(wire: Wire) -> list[str]:
    """A line with rounded corners, and the head of an arrow."""
    colour = HISTORY if wire.history else INK
    points = [point for at, point in enumerate(wire.points) if at == 0 or point != wire.points[at - 1]]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before), _towards(corner, after)
        path += f" L{near[0]:.1f} {near[1]:.1f} Q{corner[0]:.1f} {corner[1]:.1f} {far[0]:.1f} {far[1]:.1f}"
    (x0, y0), (x, y) = points[-2:]
    path += f" L{x:.1f} {y:.1f}"
    parts = [f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{1.8 if wire.history else 1.3}"/>']
    if wire.arrow:
        dx, dy = (1 if x > x0 else 0), (0 if x > x0 else 1 if y > y0 else -1)
        head = f"M{x:.1f} {y:.1f} L{x - 8 * dx - 3.5 * dy:.1f} {y - 8 * dy - 3.5 * dx:.1f}"
        parts.append(f'<path d="{head} L{x - 8 * dx + 3.5 * dy:.1f} {y - 8 * dy + 3.5 * dx:.1f} Z" fill="{colour}"/>')
    return parts


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The point near a corner where it begins to be round."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    share = min(CORNER, length / 2) / length
    return corner[0] + share * dx, corner[1] + share * dy


def _box(box: Box) -> list[str]:
    if box.width == 0:
        return []
    left, top = box.x - box.width / 2, box.y - box.height / 2
    radius = (
        2 if box.kind in ("transform", "text") else box.height / 2 if box.kind in ("state", "sum", "product") else 7
    )
    fill = TRANSFORM if box.kind == "transform" else PLAIN
    dash = ' stroke-dasharray="4 2"' if box.kind == "text" else ""
    parts = [
        f'<rect class="{box.kind}" x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        f' rx="{radius:.0f}" fill="{fill}" stroke="{INK}" stroke-width="{1.6 if box.kind == "transform" else 1.2}"{dash}/>'
    ]
    if box.kind == "sum":
        cross = f"M{box.x - 6:.1f} {box.y:.1f} h12 M{box.x:.1f} {box.y - 6:.1f} v12"
        parts.append(f'<path d="{cross}" stroke="{INK}" stroke-width="1.5"/>')
    elif box.kind == "product":
        parts.append(f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="2.6"/>')
    elif box.label:
        parts.append(_text(box.label, box.x, box.y + 0.3 * TEXT_SIZE, TEXT_SIZE, "middle"))
    return parts


def _text(latex: str, x: float, y: float, size: float, anchor: str) -> str:
    """A line of text; single letters are italic, indices small and below or above the line."""
    pieces, rise = [], 0.0
    for run in runs(latex):
        shift = (rise - run.rise) * size
        rise = run.rise
        content = LETTER.sub(r'<tspan font-style="italic">\g<0></tspan>', escape(run.text))
        pieces.append(f'<tspan dy="{shift:.1f}" font-size="{run.size * size:.1f}">{content}</tspan>')
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{"".join(pieces)}</text>'
