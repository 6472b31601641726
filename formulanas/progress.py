"""What long work says while it goes on: lines that stay, what it does now, and how much is left of it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Style = Literal["bold", "dim", "name", "warning"]


@dataclass(frozen=True)
class Styled:
    """Text that stands out."""

    text: str
    style: Style

    def __str__(self) -> str:
        return self.text


Part = str | Styled  # whatever a text is, it is shown as it is, and is no markup
Line = str | tuple[Part, ...]


def plain(line: Line) -> str:
    """A line without its styles."""
    return line if isinstance(line, str) else "".join(map(str, line))


def duration(seconds: float) -> str:
    """A duration in the unit that a reader wants: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Progress:
    """Says the lines on standard error; what shows more, such as a bar, extends this."""

    is_live = False  # whether what is going on now is shown as well

    def __init__(self) -> None:
        self.total = self.done = self.begun = 0.0

    def line(self, *parts: Part) -> None:
        """Says a line that stays."""
        print(plain(parts), file=sys.stderr)

    def status(self, text: str) -> None:
        """Says what is going on now."""

    @contextmanager
    def working(self, total: float | None) -> Iterator[None]:
        """Until the end of the block, `total` units of work are done, such as epochs; None where nobody knows."""
        self.begin(total)
        yield

    def begin(self, total: float | None) -> None:
        """Nothing of `total` is done yet."""
        self.total, self.done, self.begun = total or 0.0, 0.0, time.monotonic()

    def advance(self, units: float) -> None:
        """Some work is done."""
        self.done = min(self.done + units, self.total)

    def expect(self, total: float) -> None:
        """There is more or less to do than was thought."""
        self.total = total

    @property
    def left(self) -> str:
        """An estimate of the time left, to end a line; empty while there is nothing to go by, or where it is live."""
        if self.is_live or not self.done:
            return ""
        seconds = (time.monotonic() - self.begun) * (self.total - self.done) / self.done
        return f"  (about {duration(seconds)} left)"
