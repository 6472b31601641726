"""The one call that trains a target through a full recipe and evaluates it on the test set."""

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from formulanas.data.catalogue import fetch
from formulanas.errors import InputError
from formulanas.progress import Progress
from formulanas.records import from_mapping, read_json, read_yaml, to_plain, write_yaml
from formulanas.retrain.job import RESULT_FILE, Job
from formulanas.retrain.settings import (
    CHECKPOINT_MINUTES,
    Options,
    Result,
    Retraining,
    default_decoders,
    settle,
)
from formulanas.store.models import RETRAIN_FILE
from formulanas.store.runs import locked


def retrain(target: str, **options: Unpack[Options]) -> Result:
    """Trains what `target` names through a full recipe and evaluates it on the test set.

    Kept in runs/RUN/retrain/ or, for a formula, in runs/retrained/; `resume` goes on from the last
    checkpoint, to the same final weights as without the interruption.
    """
    progress = options.get("progress") or Progress()
    settled = settle(target, options)
    folder, settings = settled.folder, settled.settings
    if folder.exists() and not options.get("resume"):
        raise InputError(
            f"{folder} exists; go on with it by --resume, or choose another --seed, --epochs or --backbone"
        )
    if (folder / RESULT_FILE).is_file():
        return from_mapping(Result, read_json(folder / RESULT_FILE), str(folder / RESULT_FILE))
    fetch(settings.dataset, Path(settings.data_dir))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if (folder / RETRAIN_FILE).is_file():
            begun = from_mapping(Retraining, read_yaml(folder / RETRAIN_FILE), str(folder / RETRAIN_FILE))
            settings = replace(begun, skip_broken=begun.skip_broken or settings.skip_broken)
        else:
            write_yaml(folder / RETRAIN_FILE, to_plain(settings))
        minutes, decoders = options.get("checkpoint_minutes", CHECKPOINT_MINUTES), options.get("decoders")
        if options.get("workers", 1) > 1:
            from formulanas.retrain.workers import Work, train_together  # Ray's import takes seconds

            work = Work(folder, settings, settled.reason, settled.compared, minutes, decoders)
            return train_together(work, options["workers"], options.get("address"), progress)
        job = Job(folder, settings, minutes, default_decoders() if decoders is None else decoders, progress)
        return job.execute(settled.reason, settled.compared)
