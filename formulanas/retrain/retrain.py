"""The one call that trains a target through a full recipe and evaluates it on the test set."""

from dataclasses import replace
from pathlib import Path

from formulanas.data.catalogue import fetch
from formulanas.errors import InputError
from formulanas.progress import Progress
from formulanas.records import write_record
from formulanas.retrain.job import Job
from formulanas.retrain.settings import Options, settle
from formulanas.store.models import RETRAIN_FILE, Result, is_model, read_model
from formulanas.store.runs import locked
from formulanas.store.targets import Target, resolve

DEFAULTS = Options()


def retrain(target: str | Target, options: Options = DEFAULTS, progress: Progress | None = None) -> Result:
    """Trains `target` through a full recipe and evaluates it on the test set.

    Kept in runs/RUN/retrain/ or, for a formula, in runs/retrained/; `resume` goes on from the last
    checkpoint, to the same final weights as without the interruption. Raises InputError where options
    ask for another retraining than the one that was begun.
    """
    progress = progress or Progress()
    settled = settle(target if isinstance(target, Target) else resolve(target), options)
    folder, settings = settled.folder, settled.settings
    if folder.exists() and not options.resume:
        raise InputError(
            f"{folder} exists; go on with it by --resume, or choose another --seed, --epochs or --backbone"
        )
    begun = read_model(folder) if is_model(folder) else None
    if begun is not None:
        settled.check(begun.settings)
        if begun.result is not None:
            return begun.result
        settings = replace(begun.settings, skip_broken=begun.settings.skip_broken or settings.skip_broken)
    fetch(settings.dataset, Path(settings.data_dir))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        write_record(folder / RETRAIN_FILE, settings)
        settled = replace(settled, settings=settings)
        if options.workers > 1:
            from formulanas.retrain.workers import train_together  # Ray's import takes seconds

            return train_together(settled, options, progress)
        return Job(settled, options, progress).execute()
