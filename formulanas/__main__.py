"""`python -m formulanas` is the installed command."""

from formulanas.cli.main import run

run()
