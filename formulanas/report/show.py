"""What `show`, `paths` and `atlas` print: a formula's canonical text, cost, paths and growth."""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rich.console import Console
from rich.markup import escape

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import Paths, add_up, paths
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbones import backbone
from formulanas.architecture.variance import variance
from formulanas.data.catalogue import dataset as data_set
from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.formula.latex import render_latex
from formulanas.formula.parse import parse
from formulanas.formula.published import atlas, bind_formula, published, published_names
from formulanas.store.targets import resolve

DEFAULT_BACKBONE, DEFAULT_DATASET = "cifar-resnet-20", "cifar10"
BAR_WIDTH = 40


def describe(
    target: str, values: Mapping[str, Value], backbone_name: str | None, dataset: str | None, num_blocks: int | None
) -> dict[str, Any]:
    """The facts of a target over a backbone, as `show --json` prints them, and the `source` of its forward pass."""
    found = resolve(target, values)
    if backbone_name is None and found.backbone is not None:
        chosen, backbone_name = found.backbone, f"that of {found.run.name if found.run else target}"
    else:
        backbone_name = backbone_name or DEFAULT_BACKBONE
        chosen = backbone(backbone_name)
    dataset = dataset or found.dataset or DEFAULT_DATASET
    images = data_set(dataset)
    architecture = Architecture(found.recursion, chosen, images.shape, images.num_classes)
    num_blocks = num_blocks or sum(chosen.depths)
    try:
        counted = paths(found.recursion, num_blocks)
        lengths: Sequence[int | float] | None = counted.lengths
    except InputError:
        lengths = None
    try:
        variances: Sequence[float] | None = variance(architecture).blocks
    except InputError:
        variances = None
    recursion = found.recursion
    return {
        "target": target,
        "name": published_names().get(recursion.key),
        "formula": recursion.text,
        "key": recursion.key,
        "latex": render_latex(parse(recursion.text)),
        "history_depth": recursion.history_depth,
        "anchor": recursion.reads_anchor,
        "growth": growth(recursion),
        "variance": variances,
        "backbone": backbone_name,
        "dataset": dataset,
        "params": architecture.plan.num_params,
        "macs": architecture.plan.macs,
        "blocks": num_blocks,
        "paths": lengths,
        "digest": architecture.digest,
        "source": architecture.plan.source(),
    }


def print_description(console: Console, facts: Mapping[str, Any]) -> None:
    """The facts of a target for a terminal."""
    depth = "to the start of the history" if facts["history_depth"] == "n" else facts["history_depth"]
    growth_text = "depends on the input" if facts["growth"] is None else f"{facts['growth']:.4g} per block"
    rows = {
        "formula": f"[bold]{escape(facts['formula'])}[/bold]",
        "published": facts["name"] or "no",
        "key": facts["key"],
        "history": f"{depth}{', and the anchor x[0]' if facts['anchor'] else ''}".replace("[", r"\["),
        "growth": growth_text,
        "variance": _variance_text(facts["variance"]),
        "backbone": f"{facts['backbone']}, {facts['dataset']}",
        "params": f"{facts['params']:,}",
        "MACs": f"{facts['macs']:,}",
    }
    for name, text in rows.items():
        console.print(f"{name:<10} {text}", highlight=False, soft_wrap=True)
    if facts["paths"] is not None:
        console.print(f"paths      by length, over {facts['blocks']} blocks", highlight=False)
        _print_lengths(console, facts["paths"])


def _variance_text(variances: Sequence[float] | None) -> str:
    """The predicted variance after each block, those in between left out where there are many."""
    if variances is None:
        return "not predicted for this formula"
    texts = [f"{each:.3g}" for each in variances]
    shown = texts if len(texts) <= 12 else [*texts[:6], "...", *texts[-5:]]
    return f"{', '.join(shown)} after each block, at initialisation"


def print_paths(console: Console, formula: str, counted: Paths, stages: Sequence[tuple[int, Paths]]) -> None:
    """Path lengths for a terminal, of the whole and of each of the `stages` with its number of blocks."""
    console.print(f"[bold]{escape(formula)}[/bold]", highlight=False, soft_wrap=True)
    _print_counts(console, counted)
    for place, (depth, each) in enumerate(stages, 1):
        console.print(f"stage {place} alone, {depth} blocks", highlight=False)
        _print_counts(console, each)


def _print_counts(console: Console, counted: Paths) -> None:
    net, gross = counted.net, counted.gross_weights
    totals = _number(counted.total), _number(add_up(gross.values))
    console.print(f"{totals[0]} paths in all (net), {totals[1]} gross", highlight=False)
    if not net.exact:
        console.print("[dim]not exact: not all coefficients are whole, or there is too much to add up[/dim]")
    _print_lengths(console, net.values)


def _print_lengths(console: Console, lengths: Sequence[int | float], most: int = 24) -> None:
    """A bar a length, those in between left out where there are many."""
    largest = max(abs(each) for each in lengths) or 1
    shown: Iterable[int] = (
        range(len(lengths))
        if len(lengths) <= most
        else (*range(0, len(lengths) - 1, math.ceil(len(lengths) / most)), len(lengths) - 1)
    )
    for length in shown:
        count = lengths[length]
        bar = "█" * round(Fraction(abs(count)) / Fraction(largest) * BAR_WIDTH)
        console.print(f"{length:>6}  {_number(count):>12}  {'-' if count < 0 else ''}{bar}", highlight=False)


def _number(count: int | float) -> str:
    """`count` with three or four digits, however large."""
    if isinstance(count, float):
        return f"{count:.4g}"
    if abs(count) < 10**10:
        return f"{count:,}"
    bits = max(abs(count).bit_length() - 64, 0)
    power, rest = divmod(math.log10(abs(count) >> bits) + bits * math.log10(2), 1)
    return f"{'-' if count < 0 else ''}{10**rest:.2f}e{power:.0f}"


def atlas_entries(name: str | None) -> list[dict[str, Any]]:
    """All published architectures, or the one called `name`; without a formula, with the reason why."""
    chosen = [name] if name else sorted(atlas(), key=lambda each: (atlas()[each].year, each))
    entries = []
    for each in chosen:
        entry = published(each)
        recursion = None if entry.reason else bind_formula(each)
        entries.append(
            {
                "name": each,
                "title": entry.title,
                "year": entry.year,
                "source": entry.source,
                "checked": entry.checked,
                "text": entry.formula or (published(entry.same_as).formula if entry.same_as else None),
                "same_as": entry.same_as or None,
                "reason": entry.reason or None,
                "note": entry.note,
                "values": dict(entry.values),
                "formula": recursion.text if recursion else None,
                "key": recursion.key if recursion else None,
                "history_depth": recursion.history_depth if recursion else None,
            }
        )
    return entries


def print_atlas(console: Console, entries: Sequence[Mapping[str, Any]]) -> None:
    """The published architectures for a terminal, those without a formula last."""
    for entry in sorted(entries, key=lambda each: each["reason"] is not None):
        colour = "green" if entry["reason"] is None else "yellow"
        about = f"{entry['title']}, {entry['year']}; {entry['source']} (checked: {entry['checked']})"
        head = f"[bold {colour}]{entry['name']}[/bold {colour}]  {about}"
        console.print(head, highlight=False, soft_wrap=True)
        if entry["reason"]:
            console.print(f"    no recursion formula: {escape(entry['reason'])}", highlight=False, soft_wrap=True)
            continue
        bound = "".join(f", {symbol} = {value}" for symbol, value in entry["values"].items())
        for line in (entry["text"].strip() + bound).splitlines():
            console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
        shared = f"the formula of {entry['same_as']}" if entry["same_as"] else ""
        if remark := "; ".join(filter(None, (shared, entry["note"]))):
            console.print(f"    [dim]{escape(remark)}[/dim]", highlight=False, soft_wrap=True)
    said = sum(entry["reason"] is None for entry in entries)
    if len(entries) > 1:
        console.print(f"{said} published architectures with formulas, {len(entries) - said} without", highlight=False)
