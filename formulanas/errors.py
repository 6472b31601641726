"""What the user can fix: one base class, and the wording shared by its messages."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """A mistake in what the user gave; the message names the law, the value, the place and the next step."""


class FormulaError(InputError):
    """A mistake in a formula's text; shows the text with a caret under the offending place."""

    def __init__(self, message: str, text: str = "", line: int = 1, column: int = 0) -> None:
        self.message = message
        lines = text.splitlines()
        if 0 < line <= len(lines):
            message = f"{message}\n  {lines[line - 1]}\n  {' ' * column}^"
        super().__init__(message)


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not in a table, with the nearest names that are."""
    names = [str(each) for each in known]
    nearest = get_close_matches(str(name), names, n=3, cutoff=0.6)
    if nearest:
        return f"there is no {kind} {str(name)!r}; did you mean {' or '.join(map(repr, nearest))}?"
    return f"there is no {kind} {str(name)!r}; known are {', '.join(sorted(names))}"
