"""Numbers as people write them in tables: 95.1, 95.1 ± 0.2, 95.1(2), 95.1 %, 1,234.5, with a point for decimals."""

import re

SIGNS = str.maketrans("\u2212\u2013", "--")  # what word processors make of a minus
VALUE = r"[-+]?(?:\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
SPREAD = rf"(?:±|\+\s*/?\s*-|\\pm)\s*{VALUE}|\(\s*{VALUE}\s*\)|\[[^\[\]]*\]"
NUMBER = re.compile(rf"({VALUE})\s*(%?)\s*(?:{SPREAD})?\s*(%?)")
COMMA = re.compile(r"[-+]?\d+,\d+(?![\d,.]).*")


def read_number(text: str) -> tuple[float, bool] | None:
    """The number that a cell holds, without its spread, and whether it is in percent; None where it holds none."""
    match = NUMBER.fullmatch(_plain(text))
    return (float(match[1].replace(",", "")), bool(match[2] or match[3])) if match else None


def is_ambiguous(text: str) -> bool:
    """Whether the comma of a cell may be one of decimals or of thousands: 95,1 and 1,234."""
    return read_number(text) is None and bool(COMMA.fullmatch(_plain(text)))


def _plain(text: str) -> str:
    return text.translate(SIGNS).strip("*$ ")
