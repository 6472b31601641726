"""Where a run stands: its state, its trials by state, and the best so far; read from its folder alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from formulanas.formula.published import published_names
from formulanas.progress import Line, Styled
from formulanas.statistics.leaderboard import rank
from formulanas.store.runs import Run, is_locked
from formulanas.store.trials import begun_trials, read_confirmations, read_trials


def run_status(run: Run) -> dict[str, Any]:
    """The state of a run as `status --json` prints it."""
    trials, confirmations = read_trials(run), read_confirmations(run)
    searching = is_locked(run.folder)
    counts: dict[str, int] = {}
    for trial in trials:
        state = "duplicate" if trial.duplicate_of is not None else trial.state.lower()
        counts[state] = counts.get(state, 0) + 1
    counts["running"] = len(begun_trials(run) - {trial.number for trial in trials})
    rows = rank(trials, confirmations, published_names())
    return {
        "run": run.name,
        "state": "running" if searching else "finished" if run.is_finished else "interrupted",
        "trials": counts,
        "asked": run.settings().get("trials"),
        "confirmed": len(confirmations),
        "best": rows[0].to_json() if rows and not rows[0].beyond else None,
    }


def status_lines(status: Mapping[str, Any]) -> Iterator[Line]:
    """The state of a run, as `run_status` gives it."""
    counts = ", ".join(f"{count} {state}" for state, count in status["trials"].items() if count)
    yield Styled(status["run"], "bold"), f"  {status['state']}"
    yield f"trials    {counts or 'none yet'}, of {status['asked']} asked for"
    yield f"confirmed {status['confirmed']} trainings"
    if best := status["best"]:
        kind = "confirmed" if best["confirmed"] else "by its proxy"
        name = f"{best['name']}  " if best["name"] else ""
        yield f"best      {100 * best['mean']:.1f} % {kind} (n = {best['n']})  {name}{best['formula']}"
