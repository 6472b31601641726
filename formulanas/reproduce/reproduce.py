"""Runs what is missing of a table, one retraining after the other, and writes down how the table stands."""

from dataclasses import replace
from pathlib import Path

from formulanas.progress import Progress
from formulanas.records import write_json
from formulanas.reproduce.runs import Asked
from formulanas.reproduce.state import Reproduction, Standing, reproduction
from formulanas.reproduce.tables import Table
from formulanas.store.runs import RUNS_DIR


def reproduce(
    table: Table, asked: Asked, progress: Progress | None = None, data_dir: Path | None = None
) -> Reproduction:
    """Trains the runs asked for that are not done, each resumed where it stopped, and returns the table as it then is.

    After each run the table is written to runs/reproduce/. Raises InputError where a folder holds a run of another
    recipe, or one without the ten crops that the table has.
    """
    from formulanas.retrain import Options, retrain

    progress = progress or Progress()
    now = reproduction(table, asked)
    left = [each for each in now.standings if each.state in ("missing", "begun")]
    for place, standing in enumerate(left, 1):
        run = standing.run
        progress.line(f"run {place} of {len(left)}: {_title(standing)}")
        options = Options(
            backbone_name=run.backbone_name,
            dataset_name=run.dataset,
            recipe_name=run.recipe_name,
            epochs=run.epochs,
            seed=run.seed,
            data_dir=data_dir,
            ten_crops=run.ten_crops or None,
            resume=True,
        )
        progress.line(retrain(run.formula, options, progress).statement)
        _write(table, asked)
    return reproduction(table, asked)


def _title(standing: Standing) -> str:
    run = standing.run
    return f"{run.network} on {run.dataset}, seed {run.seed}" + (", begun before" if standing.kept else "")


def _write(table: Table, asked: Asked) -> None:
    """The document of the table, or of this shortened version of it; never of a part of its runs."""
    whole = reproduction(table, replace(asked, networks=(), limit=None))
    parts = [table.name, asked.dataset or "", f"{asked.epochs}-epochs" if asked.epochs else ""]
    write_json(document_path(parts), whole.to_json())


def document_path(parts: list[str]) -> Path:
    """Where a document lies."""
    return RUNS_DIR / "reproduce" / f"{'-'.join(filter(None, parts))}.json"
