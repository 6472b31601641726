"""Columns of a table by their names: which of them a word chooses, and whether less or more is better there."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from formulanas.errors import InputError, unknown_name

Direction = Literal["lower", "higher"]

METRICS: dict[Direction, str] = {
    "lower": "error errors err loss losses perplexity ppl bpb bpc bpd nll mae mse rmse mape fid kid lpips wer cer eer"
    " ece brier regret seconds latency params parameters macs flops gflops memory bytes",
    "higher": "accuracy accuracies acc auc auroc auprc map miou iou dice f1 precision recall mrr ndcg bleu rouge meteor"
    " psnr ssim r2 mcc kappa fps throughput speedup",
}
ARROWS: dict[Direction, str] = {"lower": "↓", "higher": "↑"}
ALL = "all"  # in --lower and --higher, the columns whose names do not say


def words(name: str) -> list[str]:
    """The words of a name; Top-1 is one."""
    return re.sub(r"\btop (\d)", r"top\1", " ".join(re.split(r"[\W_]+", name.lower()))).split()


def direction(name: str) -> Direction | None:
    """What a column's name says of it; None where it says nothing, or both."""
    parts = set(words(name))
    lower, higher = (parts & set(METRICS[way].split()) or arrow in name for way, arrow in ARROWS.items())
    if lower or higher:
        return None if lower and higher else "lower" if lower else "higher"
    return "higher" if parts & {"top1", "top5"} else None


def matching(columns: Iterable[str], wanted: str, option: str) -> list[str]:
    """The columns with the words that `wanted` has, in their order; a column of exactly that name is the only one."""
    names = list(columns)
    text = f" {' '.join(words(wanted))} "
    found = [name for name in names if name == wanted] or [
        name for name in names if text.strip() and text in f" {' '.join(words(name))} "
    ]
    if not found:
        raise InputError(f"{unknown_name('column of numbers', wanted, names)} ({option})")
    return found


def choose(columns: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """The columns that any of `wanted` names, in the order of the table: by words of their names, cifar10 or top1.

    A word that says whether less or more is better takes no column of the other kind: top1 is not top1_error.
    """
    chosen: set[str] = set()
    for name in wanted:
        found = matching(columns, name, "--columns")
        alike = [column for column in found if direction(name) in (None, direction(column))]
        chosen |= set(alike or found)
    return [column for column in columns if column in chosen]


def lower_columns(columns: Sequence[str], lower: Iterable[str], higher: Iterable[str]) -> frozenset[str]:
    """The columns in which less is better: as `lower` and `higher` say, else as their names do.

    Raises InputError for a column of which nothing says it.
    """
    said: dict[str, Direction] = {}
    asked: list[tuple[Direction, str]] = [*(("lower", name) for name in lower), *(("higher", name) for name in higher)]
    for way, name in asked:
        for column in [ALL] if name == ALL else matching(columns, name, f"--{way}"):
            if said.setdefault(column, way) != way:
                raise InputError(f"less or more is better in a column, but {column!r} is in --lower and --higher")
    ways = {column: said.get(column) or direction(column) or said.get(ALL) for column in columns}
    unknown = [column for column, way in ways.items() if way is None]
    if unknown:
        raise InputError(
            f"whether less or more is better in {', '.join(unknown)} is not in the name, and ranks turn over with it; "
            f"say it by --higher {ALL} or --lower {ALL}, or by the names of columns: --lower {unknown[0]}"
        )
    return frozenset(column for column, way in ways.items() if way == "lower")
