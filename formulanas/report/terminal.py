"""The one place where text reaches a terminal: as it is, whoever wrote it, with its styles beside it and no markup."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from formulanas.progress import Line, Part, Progress, Style

STYLES: dict[Style, str] = {"bold": "bold", "dim": "dim", "name": "bold green", "warning": "yellow"}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what would steer the terminal; not tabs and ends of lines


def show(lines: Iterable[Line], console: Console | None = None) -> None:
    """Prints lines, by default to standard output."""
    console = console or Console()
    for line in lines:
        console.print(text(line), soft_wrap=True, highlight=False)


def text(line: Line) -> Text:
    """A line as the terminal takes it."""
    whole = Text()
    for part in (line,) if isinstance(line, str) else line:
        whole.append(CONTROL.sub("\ufffd", str(part)), None if isinstance(part, str) else STYLES[part.style])
    return whole


class TerminalProgress(Progress):
    """On a terminal a bar with the time left under the lines, elsewhere the lines alone."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or Console(stderr=True)
        self.is_live = self.console.is_terminal
        description = TextColumn("{task.description}", markup=False)
        columns = (BarColumn(30), description, TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Bar(*columns, console=self.console, transient=True)
        self.task = self.bar.add_task("")

    def line(self, *parts: Part) -> None:
        show([parts], self.console)

    def status(self, text: str) -> None:
        self.bar.update(self.task, description=CONTROL.sub("\ufffd", text))

    @contextmanager
    def working(self, total: float | None) -> Iterator[None]:
        with super().working(total), self.bar if self.is_live else nullcontext():
            yield

    def begin(self, total: float | None) -> None:
        super().begin(total)
        self.bar.reset(self.task, total=total, description="")

    def advance(self, units: float) -> None:
        super().advance(units)
        self.bar.update(self.task, completed=self.done)

    def expect(self, total: float) -> None:
        super().expect(total)
        self.bar.update(self.task, total=total)
