"""`python -m formulanas` is the installed command."""

from formulanas.cli import run

run()
