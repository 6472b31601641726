"""What readers see of long work: lines and a bar, with every text as it was written, whoever wrote it."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from tiny_search import TINY_SPACE

from formulanas.progress import Line, Progress, Styled, duration, plain
from formulanas.report.terminal import TerminalProgress, show
from formulanas.search.driver import Driver
from formulanas.search.executors.task import Message
from formulanas.search.run import create_run
from formulanas.search.samplers.catalogue import find_sampler
from formulanas.search.search import prepare_study
from formulanas.search.space.document import read_space

HOSTILE = "no kernel [/usr/lib/x.so] for [word] [/], [bold]x[n-1], :smile: \\[dim] [link=a]"


def printed(*lines: Line, colour: bool = False) -> str:
    """What a terminal gets of some lines."""
    file = io.StringIO()
    show(lines, Console(file=file, force_terminal=colour, width=40))
    return file.getvalue()


@pytest.mark.parametrize(
    "line", [HOSTILE, (HOSTILE,), ("reason ", Styled(HOSTILE, "warning")), (Styled(HOSTILE, "dim"),)]
)
def test_a_text_is_shown_as_it_is(line: Line) -> None:
    """Brackets, tags and shortcodes are neither read nor lost, in plain parts and in styled ones, nor is a line cut."""
    assert printed(line) == plain(line) + "\n"
    assert HOSTILE in printed(line)


def test_what_stands_out_has_a_style() -> None:
    """On a terminal a warning is yellow, and elsewhere it is the text alone."""
    assert printed((Styled("late", "warning"), " [x]"), colour=True) == "\x1b[33mlate\x1b[0m [x]\n"
    assert printed((Styled("late", "warning"), " [x]")) == "late [x]\n"


def test_a_text_does_not_steer_the_terminal() -> None:
    """Escape sequences, returns and backspaces of a text stay without effect."""
    assert printed("a\x1b[2Jb\rc\x08d") == "a\ufffd[2Jb\ufffdc\ufffdd\n"


@pytest.mark.parametrize("is_live", [True, False])
def test_progress_takes_any_text(is_live: bool) -> None:
    """The line and what is beside the bar; the time left ends a line where there is no bar."""
    file = io.StringIO()
    progress = TerminalProgress(Console(file=file, force_terminal=is_live, width=200))
    with progress.working(4):
        progress.status(HOSTILE)
        progress.advance(1)
        progress.line(HOSTILE, progress.left)
        assert progress.left == ("" if is_live else "  (about 0 s left)")
    assert HOSTILE in file.getvalue()


def test_an_estimate_of_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the work in 30 seconds leaves 90; half of it, when it is found to be twice as much, leaves 210."""
    now = iter([100.0, 130.0, 130.0])
    monkeypatch.setattr("formulanas.progress.time.monotonic", lambda: next(now))
    progress = Progress()
    with progress.working(8):
        assert progress.left == ""
        progress.advance(2)
        assert progress.left == "  (about 90 s left)"
        progress.expect(16)
        assert progress.left == "  (about 4 min left)"
    assert [duration(seconds) for seconds in (99, 720, 12600)] == ["99 s", "12 min", "3.5 h"]


def test_a_failure_is_told_whatever_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reason that looks like markup neither stops the search nor loses a word."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(TINY_SPACE)
    run, settings = create_run(Path("space.yaml"), read_space(Path("space.yaml")), "run", None, 0, None)
    study, progress = prepare_study(run, settings), TerminalProgress(Console(stderr=True))
    driver = Driver(run, settings, settings.space.search, study, find_sampler("random"), progress)
    task = driver.next()
    assert task is not None
    driver.handle(task.number, Message("failed", reason=HOSTILE))
    assert HOSTILE in capsys.readouterr().err
