"""Live progress of long work: a bar with the time left on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def duration(seconds: float) -> str:
    """A duration in the unit that a reader wants: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Reporter:
    """Shows what a long piece of work is doing, on `console`; `total` is in units of work, such as epochs."""

    def __init__(self, console: Console, total: float) -> None:
        self.console, self.total, self.done = console, total, 0.0
        self.begun = time.monotonic()
        self.bar: Progress | None = None
        if console.is_terminal:
            columns = (BarColumn(30), TextColumn("{task.description}"), TimeElapsedColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=console, transient=True)
            self.task = self.bar.add_task("", total=total)

    def __enter__(self) -> "Reporter":
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def status(self, text: str) -> None:
        """What is going on now, beside the bar."""
        if self.bar is not None:
            self.bar.update(self.task, description=text)

    def advance(self, units: float) -> None:
        """Some work is done."""
        self.done = min(self.done + units, self.total)
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done)

    def expect(self, total: float) -> None:
        """There is more or less to do than was thought."""
        self.total = total
        if self.bar is not None:
            self.bar.update(self.task, total=total)

    @property
    def left(self) -> str:
        """An estimate of the time left, in words; empty while there is nothing to go by."""
        if not self.done:
            return ""
        seconds = (time.monotonic() - self.begun) * (self.total - self.done) / self.done
        return f"about {duration(seconds)} left"
