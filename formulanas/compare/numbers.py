"""Numbers as people write them in tables: 95.1, 95.1 ± 0.2, 95.1(2), 95.1 %, 1,234.5, with a point for decimals."""

import re
from dataclasses import dataclass

BLANKS = {"", "-", "\u2013", "\u2014", "n/a", "na", "nan", "none", "null", "?"}
MINUS_SIGNS = str.maketrans("\u2212\u2013", "--")
VALUE = r"[-+]?(?:\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
SPREAD = rf"(?:±|\+\s*/?\s*-|\\pm)\s*{VALUE}|\(\s*{VALUE}\s*\)|\[[^\[\]]*\]"
NUMBER = re.compile(rf"({VALUE})\s*(%?)\s*({SPREAD})?\s*(%?)")
COMMA = re.compile(r"[-+]?\d+,\d+(?![\d,.]).*")


@dataclass(frozen=True)
class Number:
    """A number, whether it is in percent, and whether its spread, such as ± 0.2, stood beside it."""

    value: float
    is_percent: bool
    has_spread: bool


def read_number(text: str) -> Number | None:
    """The number that a cell holds, without its spread; None where it holds none."""
    match = NUMBER.fullmatch(text.translate(MINUS_SIGNS).strip("*$ "))
    if match is None:
        return None
    value, before, spread, after = match.groups()
    return Number(float(value.replace(",", "")), bool(before or after), bool(spread))


def is_ambiguous(text: str) -> bool:
    """Whether the comma of a cell may be one of decimals or of thousands: 95,1 and 1,234."""
    return read_number(text) is None and bool(COMMA.fullmatch(text.translate(MINUS_SIGNS).strip("*$ ")))


def is_blank(text: str) -> bool:
    """Whether a cell says that there is no number."""
    return text.lower() in BLANKS
