"""The command that says where a run stands."""

import time

import click

from formulanas.cli.options import answer, as_json
from formulanas.errors import InputError

WATCH_SECONDS = 2.0


@click.command()
@click.argument("run", required=False)
@click.option("--watch", is_flag=True, help="Look again every two seconds, until the run ends.")
@as_json
def status(run: str | None, watch: bool, as_json: bool) -> None:
    """Where a run stands; by default the latest.

    With --watch and --json, the one object is printed when the run is finished or interrupted.
    """
    from formulanas.report.status import run_status, status_lines
    from formulanas.store.runs import find_run, runs

    latest = runs()
    if not run and not latest:
        raise InputError("there are no runs yet; start one by `formulanas search search_spaces/recursion.yaml`")
    chosen = find_run(run) if run else latest[0]
    now = run_status(chosen)
    while watch and now["state"] == "running":
        if not as_json:
            click.clear()
            answer(False, now, status_lines(now))
        time.sleep(WATCH_SECONDS)
        now = run_status(chosen)
    answer(as_json, now, status_lines(now))
