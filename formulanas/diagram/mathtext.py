"""Formulas as text in a picture: pieces of it, raised and lowered, from their LaTeX, and how wide they are."""

import re
import unicodedata
from typing import NamedTuple

INDEX_SIZE = 0.7
MINUS = "\u2212"
SIGNS = {r"\sum": "Σ", r"\odot": "⊙ ", r"\tanh": "tanh", r"\,": "\u2009", r"\left": "", r"\right": "", r"\_": "_"}
SIGNS |= {
    r"\left\lfloor": "⌊",
    r"\right\rfloor": "⌋",
    "-": MINUS,
    "&": "",
    r"\mathrm": "",
    r"\mathit": "",
    r"\operatorname*": "",
}
TOKEN = re.compile(r"\\left\\lfloor | \\right\\rfloor|\\operatorname\*|\\[A-Za-z]+ ?|\\.|[{}_^]|.", re.DOTALL)


class Piece(NamedTuple):
    """Characters that stand `rise` above the line, in `size`, both in units of the surrounding text's size."""

    text: str
    rise: float
    size: float


def pieces(latex: str) -> list[Piece]:
    """The text that the project's LaTeX prints, quotients on one line."""
    tokens = [token if token == " " else token.strip() for token in TOKEN.findall(latex.replace(r" \, ", r"\,"))]
    tokens.reverse()
    found: list[Piece] = []
    while tokens:
        for piece in _next(tokens, 0.0, 1.0):
            if found and found[-1][1:] == piece[1:]:
                found[-1] = piece._replace(text=found[-1].text + piece.text)
            elif piece.text:
                found.append(piece)
    return found


def _next(tokens: list[str], rise: float, size: float) -> list[Piece]:
    """The pieces of the next token or group, which are taken from `tokens`."""
    token = tokens.pop()
    match token:
        case "{":
            group: list[Piece] = []
            while tokens[-1] != "}":
                group += _next(tokens, rise, size)
            tokens.pop()
            return group
        case "_":
            return _next(tokens, rise - 0.25 * size, size * INDEX_SIZE)
        case "^":
            return _next(tokens, rise + 0.4 * size, size * INDEX_SIZE)
        case r"\frac":
            above, below = _next(tokens, rise, size), _next(tokens, rise, size)
            return [*_grouped(above, rise, size), Piece("/", rise, size), *_grouped(below, rise, size)]
        case r"\sqrt":
            return [Piece("√", rise, size), *_grouped(_next(tokens, rise, size), rise, size)]
    if token.startswith("\\") and token not in SIGNS:
        return [Piece(unicodedata.lookup(f"GREEK SMALL LETTER {token[1:].replace('lambda', 'lamda')}"), rise, size)]
    return [Piece(SIGNS.get(token, token), rise, size)]


def _grouped(group: list[Piece], rise: float, size: float) -> list[Piece]:
    """`group`, in parentheses where it is more than one letter or number."""
    text = "".join(piece.text for piece in group)
    return group if text.isalnum() or text.startswith("√") else [Piece("(", rise, size), *group, Piece(")", rise, size)]


def width(latex: str, size: float) -> float:
    """About how wide the text is where the font size is `size`, rather too wide than too narrow."""
    return size * sum(piece.size * sum(map(_character_width, piece.text)) for piece in pieces(latex))


def _character_width(character: str) -> float:
    if character in "iljtfr.,:;()[]|/ \u2009'":
        return 0.42
    if character in MINUS + "+=mw⊙√" or character.isupper():
        return 0.84
    return 0.62
