"""Pictures of formulas: what must be in them, and that nothing in them is in the way of anything else."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from strategies import linear_formulas, states

from formulanas.cli.main import main
from formulanas.diagram import diagram
from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.bind import bind
from formulanas.formula.latex import render_latex
from formulanas.formula.parse import parse
from formulanas.formula.published import bind_formula, published_names
from formulanas.formula.recursion import Recursion

PUBLISHED = sorted(published_names().values())
Box = tuple[float, float, float, float]  # left, top, right, bottom
Point = tuple[float, float]


class Picture:
    """What a reader of the SVG text finds: this knows nothing of how it was drawn."""

    def __init__(self, svg: str) -> None:
        self.root = ET.fromstring(svg)
        _, _, self.width, self.height = map(float, self.root.attrib["viewBox"].split())
        self.elements: list[tuple[ET.Element, float, float]] = []
        self.collect(self.root, 0, 0)

    def collect(self, element: ET.Element, dx: float, dy: float) -> None:
        """Lists all elements with how far their group moves them."""
        if moved := re.fullmatch(r"translate\((\S+) (\S+)\)", element.get("transform", "")):
            dx, dy = dx + float(moved[1]), dy + float(moved[2])
        for child in element:
            self.elements.append((child, dx, dy))
            self.collect(child, dx, dy)

    def of(self, tag: str, kind: str | None = None) -> list[tuple[ET.Element, float, float]]:
        """The elements of a tag, and of a class."""
        return [each for each in self.elements if tag_of(each[0]) == tag and kind in (None, each[0].get("class"))]

    @property
    def num_blocks(self) -> int:
        """How many blocks are drawn."""
        return len(self.of("rect", "block"))

    @property
    def texts(self) -> list[str]:
        """All texts, without thin spaces."""
        return ["".join(element.itertext()).replace("\u2009", "") for element, _, _ in self.of("text")]

    def text_boxes(self) -> dict[str, Box]:
        """A box around each text: letters are 0.6 of their size wide, other signs 0.4, both 0.9 high."""
        boxes = {}
        for number, (element, dx, dy) in enumerate(self.of("text")):
            size = float(element.attrib["font-size"])
            pieces = [(piece, float(piece.attrib["font-size"])) for piece in element]
            width = sum(
                height * (0.6 if sign.isalnum() else 0.4)
                for piece, height in pieces
                for sign in "".join(piece.itertext())
            )
            left = (
                float(element.attrib["x"])
                + dx
                - {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]] * width
            )
            baseline = float(element.attrib["y"]) + dy
            boxes[f"{number}: {''.join(element.itertext())}"] = (
                left,
                baseline - 0.7 * size,
                left + width,
                baseline + 0.2 * size,
            )
        return boxes

    def rectangles(self) -> list[tuple[str, Box]]:
        """The boxes of nodes by class; what fills the page or stands behind a block is none."""
        found = []
        for element, dx, dy in self.of("rect"):
            if (kind := element.get("class", "block")) != "block":
                x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
                found.append((kind, (x + dx, y + dy, x + dx + width, y + dy + height)))
        return found

    def connections(self) -> Counter[tuple[str, str]]:
        """What wires lead from and to: the text in a box, or its class where it has none."""
        names = {box: kind for kind, box in self.rectangles()}
        for (left, top, right, bottom), text in zip(self.text_boxes().values(), self.texts, strict=True):
            middle = (left + right) / 2, (top + bottom) / 2
            names |= {box: text for box in names if overlap(box, (*middle, *middle), -0.1)}
        found: Counter[tuple[str, str]] = Counter()
        for wire in self.wires():
            ends = [
                next((name for box, name in names.items() if overlap(box, (*point, *point), -1)), "outside")
                for point in (wire[0], wire[-1])
            ]
            found[ends[0], ends[1]] += 1
        return found

    def wires(self) -> list[list[Point]]:
        """The points along each wire; a corner is cut."""
        return [points_of(element.attrib["d"], dx, dy) for element, dx, dy in self.of("path", "wire")]


def tag_of(element: ET.Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def points_of(path: str, dx: float, dy: float) -> list[Point]:
    """The points that a path passes, without the control points of its curves."""
    points = []
    for command, numbers in re.findall(r"([MLQ])([-\d. ]+)", path):
        values = [float(number) for number in numbers.split()]
        assert command in "MLQ"
        points.append((values[-2] + dx, values[-1] + dy))
    return points


def overlap(first: Box, second: Box, margin: float = 0.0) -> bool:
    """Whether two boxes share more than `margin` in both directions."""
    shared_x = min(first[2], second[2]) - max(first[0], second[0])
    shared_y = min(first[3], second[3]) - max(first[1], second[1])
    return shared_x > margin and shared_y > margin


def drawn(target: str) -> Picture:
    """The picture of a formula or of a published one."""
    return Picture(diagram(bind_formula(target)))


def assert_nothing_is_in_the_way(picture: Picture) -> None:
    """The laws of every picture: see the tests of the published ones."""
    texts, boxes, wires = picture.text_boxes(), picture.rectangles(), picture.wires()
    for box in [*texts.values(), *(box for _, box in boxes)]:
        assert 0 <= box[0] < box[2] <= picture.width
        assert 0 <= box[1] < box[3] <= picture.height
    for (one, first), (other, second) in combinations(texts.items(), 2):
        assert not overlap(first, second), f"{one} overlaps {other}"
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not overlap(first, second), f"a {one} overlaps a {other}"
    for wire in wires:
        for (x0, y0), (x1, y1) in pairwise(wire):
            assert 0 <= x0 <= x1 + 1e-6 <= picture.width
            stretch = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
            for kind, box in boxes:
                inside = (
                    box[0] + 1 < stretch[2]
                    and stretch[0] < box[2] - 1
                    and box[1] + 1 < stretch[3]
                    and stretch[1] < box[3] - 1
                )
                assert not inside, f"a wire {wire} runs through a {kind} {box}"
            for text, box in texts.items():
                assert not overlap(
                    (stretch[0] - 0.5, stretch[1] - 0.5, stretch[2] + 0.5, stretch[3] + 0.5), box, 0.9
                ), text


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_formula_is_drawn_with_nothing_in_the_way(name: str) -> None:
    """All lies in the viewBox; no text or box overlaps another; no wire runs backwards or through a box or a text."""
    assert_nothing_is_in_the_way(drawn(name))


@settings(max_examples=60)
@given(linear_formulas())
def test_a_random_formula_is_drawn_with_nothing_in_the_way(text: str) -> None:
    """The same for sums of states, anchors, cached residual functions and running sums in any mixture."""
    assert_nothing_is_in_the_way(Picture(diagram(bind(text))))


@settings(max_examples=60)
@given(states(), states())
def test_whatever_the_language_can_write_has_a_picture(state: ex.Expression, auxiliary: ex.Expression) -> None:
    """Gates, slices, sums of sums: what is too rich to be drawn is a text, never an error."""
    recursion = Recursion({"v": auxiliary, "x": state})
    values: dict[str, int | str] = {"b": 2, "a[2]": 3, "alpha": "1/2", "h": "relu", "p": "n", "c": 4, "q": "1/4"}
    try:
        bound = bind(
            recursion, {name: value for name, value in values.items() if name.partition("[")[0] in recursion.symbols}
        )
    except InputError:
        assume(False)
    assert_nothing_is_in_the_way(Picture(diagram(bound)))


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("plain", 1),
        ("resnet", 1),
        ("resnet-s", 1),
        ("resnet-s-listing", 1),
        ("anchored", 1),
        ("accumulated", 1),
        ("momentum", 1),
        ("densenet", 1),
        ("multi-residual", 2),
        ("highway", 2),
        ("poly-2", 2),
        ("x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, 5))", 5),
        ("x[n] = x[n-1] + F[n-1](x[n-2])", 1),
    ],
)
def test_each_residual_function_has_a_box_in_each_block(target: str, count: int) -> None:
    """As many boxes as the formula applies residual functions; a cached value is a wire, not a box."""
    picture = drawn(target)
    assert len(picture.of("rect", "transform")) == count * picture.num_blocks


@pytest.mark.parametrize(
    ("target", "count"),
    [("resnet", 2), ("resnet-s", 3), ("x[n] = x[n-4] + F[n](x[n-1])", 5), ("x[n] = x[n-9] + F[n](x[n-1])", 3)],
)
def test_the_number_of_blocks_follows_the_history(target: str, count: int) -> None:
    """One more than the blocks that a value passes before it is read, two to five; what is older comes from outside."""
    assert drawn(target).num_blocks == count


@pytest.mark.parametrize(
    ("formula", "labels"),
    [
        ("momentum", ["0.9", "0.1"]),
        ("x[n] = 2 * x[n-1] - 0.5 * F[n](x[n-1]) + 1/3 * x[n-2]", ["2", "\u22120.5", "1/3"]),
        ("x[n] = x[n-1] + 1/sqrt(N) * F[n](x[n-1])", ["1/√N"]),
        ("x[n] = x[n-1] + n/N * F[n](x[n-1])", ["n/N", "(n \u2212 1)/N"]),
        ("x[n] = x[n-1] + learn(0.1) * F[n](x[n-1])", ["λn(0.1)", "λn\u22121(0.1)"]),
    ],
)
def test_a_coefficient_is_a_label(formula: str, labels: list[str]) -> None:
    """Every coefficient but 1 stands in the picture, with the index of its block, once for each block it is in."""
    texts = drawn(formula).texts
    for label in labels:
        assert label in texts


def test_a_coefficient_of_one_has_no_label() -> None:
    """ResNet has only the names of its states, functions, operations and blocks, and its formula."""
    named = {"F", "x", "ReLU", "block"}
    assert {re.split(r"[ n(]", text)[0] for text in drawn("resnet").texts} == named


def test_a_subtraction_is_a_minus_at_the_sum() -> None:
    """ResNet-s subtracts once in each block."""
    picture = drawn("resnet-s")
    assert picture.texts.count("\u2212") == picture.num_blocks
    assert "\u2212" not in drawn("resnet").texts


def test_the_anchor_is_a_state_of_its_own() -> None:
    """Where x[0] is read it stands at the left; nowhere else."""
    assert "x0" in drawn("anchored").texts
    assert "x0" not in drawn("resnet").texts


def test_the_formula_stands_above_the_picture() -> None:
    """Eq. (20) of the ResNet-s paper, in one line of text, and the canonical text as the title."""
    picture = drawn("resnet-s")
    assert picture.texts[0] == "xn = ReLU(xn\u22121 + Fn(xn\u22121)) \u2212 Fn\u22121(xn\u22122)"
    assert picture.root[0].text == bind_formula("resnet-s").text


def test_wires_join_what_the_formula_joins() -> None:
    """All wires of ResNet-s and of its anchored twin, listed by hand."""
    states = ["xn\u22123", "xn\u22122", "xn\u22121", "xn"]
    functions = ["Fn\u22122", "Fn\u22121", "Fn"]
    inner = {("sum", "ReLU"): 3, ("ReLU", "sum"): 3, ("outside", states[0]): 1, ("xn", "outside"): 1}
    inner |= dict.fromkeys(zip(states, functions, strict=False), 1)
    inner |= {(state, "sum"): 1 for state in states[:3]} | {("sum", state): 1 for state in states[1:]}
    cached = {("Fn\u22122", "sum"): 2, ("Fn\u22121", "sum"): 2, ("Fn", "sum"): 1, ("Fn", "outside"): 1}
    assert drawn("resnet-s").connections() == inner | cached | {("outside", "sum"): 1}
    anchored = drawn("anchored").connections()
    assert (anchored["x0", "sum"], anchored["Fn", "sum"], anchored["sum", "ReLU"], anchored["xn\u22121", "sum"]) == (
        2,
        1,
        2,
        0,
    )


def test_what_no_program_computes_has_a_picture() -> None:
    """The weights of an earlier block on a later state: a text with what it reads."""
    picture = drawn("x[n] = x[n-1] + F[n-2](x[n-1])")
    assert picture.connections()["xn\u22121", "Fn\u22122(xn\u22121)"] == 1


def test_what_is_too_rich_to_be_drawn_is_text() -> None:
    """A sum of a hundred residual functions has its last ones in one box; the picture stays a picture."""
    picture = drawn("x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, 100))")
    assert picture.of("rect", "text")
    assert picture.height < 1200
    assert_nothing_is_in_the_way(picture)


def test_the_picture_stands_alone() -> None:
    """No scripts, no links, no fonts from elsewhere; nothing but ASCII; named for those who cannot see it."""
    svg = diagram(bind_formula("highway"))
    assert svg.isascii()
    assert not re.search("script|href|url|@import|<style", svg)
    assert [tag_of(child) for child in ET.fromstring(svg)][:3] == ["title", "desc", "rect"]


def test_show_draws_to_a_file(tmp_path: Path) -> None:
    """`show --svg FILE` writes the picture beside what it prints; a place where none can be is the user's to fix."""
    result = CliRunner().invoke(main, ["show", "resnet-s", "--svg", str(tmp_path / "picture.svg")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "picture.svg").read_text() == diagram(bind_formula("resnet-s"))
    refused = CliRunner().invoke(main, ["show", "resnet-s", "--svg", str(tmp_path / "picture.svg" / "x.svg")])
    assert refused.exit_code == 2
    assert "cannot be written" in refused.output


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("n/N * x[n-1]", r"\frac{n}{N} \, x_{n-1}"),
        ("1/sqrt(N) * F[n](x[n-1])", r"\frac{1}{\sqrt{N}} \, F_{n}(x_{n-1})"),
        ("x[n-1] / (2 * N)", r"\frac{1}{2 \, N} \, x_{n-1}"),
        ("-(T[n](x[n-1]) * x[n-1])", r"-T_{n}(x_{n-1}) \odot x_{n-1}"),
        ("sum(x[n-i] / i, (i, 1, n))", r"\sum_{i=1}^{n} \frac{1}{i} \, x_{n-i}"),
        ("1/n * sum(x[n-i], (i, 1, n))", r"\frac{1}{n} \, \sum_{i=1}^{n} x_{n-i}"),
        ("relu(n/N * x[n-1])", r"\mathrm{ReLU}\left(\frac{n}{N} \, x_{n-1}\right)"),
        ("x[n-1][:4]", r"x_{n-1}[{:}4]"),
        ("alpha**2 * x[n-1]", r"\alpha^{2} \, x_{n-1}"),
        ("(n/N)**2 * x[n-1]", r"\left(\frac{n}{N}\right)^{2} \, x_{n-1}"),
    ],
)
def test_latex_is_as_papers_print_it(text: str, latex: str) -> None:
    """Quotients are fractions, sums have limits, states are multiplied by a circled dot."""
    assert render_latex(parse(f"x[n] = {text}")) == f"x_{{n}} = {latex}"


def test_a_third_is_a_fraction_and_a_half_a_decimal() -> None:
    """As in the canonical text: a decimal where it is short and exact."""
    assert render_latex(Recursion({"x": ex.Number(Fraction(1, 3))})) == r"x_{n} = \frac{1}{3}"
    assert render_latex(Recursion({"x": ex.Number(Fraction(1, 2))})) == "x_{n} = 0.5"
