"""What `show`, `paths` and `atlas` print: a formula's canonical text, cost, paths and growth."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import Paths, add_up, paths
from formulanas.architecture.variance import variance
from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.formula.latex import render_latex
from formulanas.formula.parse import parse
from formulanas.formula.published import atlas, bind_formula, published, published_names
from formulanas.progress import Line, Style, Styled
from formulanas.store.targets import resolve

BAR_WIDTH = 40


def describe(
    target: str, values: Mapping[str, Value], backbone_name: str | None, dataset: str | None, num_blocks: int | None
) -> dict[str, Any]:
    """The facts of a target over a backbone, as `show --json` prints them, and the `source` of its forward pass."""
    found = resolve(target, values)
    over = found.over(backbone_name, dataset)
    recursion, architecture = found.recursion, over.architecture
    num_blocks = num_blocks or sum(architecture.backbone.depths)
    try:
        counted = paths(recursion, num_blocks)
        lengths: Sequence[int | float] | None = counted.lengths
    except InputError:
        lengths = None
    try:
        variances: Sequence[float] | None = variance(architecture).blocks
    except InputError:
        variances = None
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
        "backbone": over.backbone_name,
        "dataset": over.dataset,
        "params": architecture.plan.num_params,
        "macs": architecture.plan.macs,
        "blocks": num_blocks,
        "paths": lengths,
        "digest": architecture.digest,
        "source": architecture.plan.source(),
    }


def description_lines(facts: Mapping[str, Any]) -> Iterator[Line]:
    """The facts of a target, as `describe` gives them."""
    depth = "to the start of the history" if facts["history_depth"] == "n" else facts["history_depth"]
    named = {
        "published": facts["name"] or "no",
        "key": facts["key"],
        "history": f"{depth}{', and the anchor x[0]' if facts['anchor'] else ''}",
        "growth": "depends on the input" if facts["growth"] is None else f"{facts['growth']:.4g} per block",
        "variance": _variance_text(facts["variance"]),
        "backbone": f"{facts['backbone']}, {facts['dataset']}",
        "params": f"{facts['params']:,}",
        "MACs": f"{facts['macs']:,}",
    }
    yield "formula    ", Styled(facts["formula"], "bold")
    yield from (f"{name:<10} {text}" for name, text in named.items())
    if facts["paths"] is not None:
        yield f"paths      by length, over {facts['blocks']} blocks"
        yield from _length_lines(facts["paths"])


def _variance_text(variances: Sequence[float] | None) -> str:
    """The predicted variance after each block, those in between left out where there are many."""
    if variances is None:
        return "not predicted for this formula"
    texts = [f"{value:.3g}" for value in variances]
    shown = texts if len(texts) <= 12 else [*texts[:6], "...", *texts[-5:]]
    return f"{', '.join(shown)} after each block, at initialisation"


def path_lines(formula: str, counted: Paths, stages: Sequence[tuple[int, Paths]]) -> Iterator[Line]:
    """Path lengths, of the whole and of each of the `stages` with its number of blocks."""
    yield (Styled(formula, "bold"),)
    yield from _count_lines(counted)
    for stage, (depth, paths_of_stage) in enumerate(stages, 1):
        yield f"stage {stage} alone, {depth} blocks"
        yield from _count_lines(paths_of_stage)


def _count_lines(counted: Paths) -> Iterator[Line]:
    yield f"{_number(counted.total)} paths in all (net), {_number(add_up(counted.gross_weights.values))} gross"
    if not counted.net.exact:
        yield (Styled("not exact: not all coefficients are whole, or there is too much to add up", "dim"),)
    yield from _length_lines(counted.net.values)


def _length_lines(lengths: Sequence[int | float], most: int = 24) -> Iterator[Line]:
    """A bar a length, those in between left out where there are many."""
    largest = max(map(abs, lengths)) or 1
    shown: Iterable[int] = (
        range(len(lengths))
        if len(lengths) <= most
        else (*range(0, len(lengths) - 1, math.ceil(len(lengths) / most)), len(lengths) - 1)
    )
    for length in shown:
        count = lengths[length]
        bar = "█" * round(Fraction(abs(count)) / Fraction(largest) * BAR_WIDTH)
        yield f"{length:>6}  {_number(count):>12}  {'-' if count < 0 else ''}{bar}"


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
    entries = []
    for called in [name] if name else sorted(atlas(), key=lambda name: (atlas()[name].year, name)):
        entry = published(called)
        recursion = None if entry.reason else bind_formula(called)
        entries.append(
            {
                "name": called,
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


def atlas_lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """The published architectures, those without a formula last."""
    for entry in sorted(entries, key=lambda entry: entry["reason"] is not None):
        style: Style = "name" if entry["reason"] is None else "warning"
        about = f"{entry['title']}, {entry['year']}; {entry['source']} (checked: {entry['checked']})"
        yield Styled(entry["name"], style), f"  {about}"
        if entry["reason"]:
            yield f"    no recursion formula: {entry['reason']}"
            continue
        bound = "".join(f", {symbol} = {value}" for symbol, value in entry["values"].items())
        for line in (entry["text"].strip() + bound).splitlines():
            yield f"    {line}"
        shared = f"the formula of {entry['same_as']}" if entry["same_as"] else ""
        if remark := "; ".join(filter(None, (shared, entry["note"]))):
            yield "    ", Styled(remark, "dim")
    formulas = sum(entry["reason"] is None for entry in entries)
    if len(entries) > 1:
        yield f"{formulas} published architectures with formulas, {len(entries) - formulas} without"
