"""The command that shows what a formula is."""

from dataclasses import asdict
from pathlib import Path

import click

from formulanas.cli.options import FILE, answer, as_json, backbone, bindings, dataset, pairs


@click.command()
@click.argument("target")
@backbone
@dataset
@click.option("--blocks", type=click.IntRange(1), help="The number of blocks for the paths.  [default: the backbone's]")
@click.option("--source", is_flag=True, help="Print the code of the forward pass.")
@click.option("--svg", type=FILE, metavar="FILE", help="Draw the formula to an SVG file.")
@click.option("--equals", metavar="TARGET", help="Another target: the same architecture, or an equal linear system?")
@bindings
@as_json
def show(
    target: str,
    backbone: str | None,
    dataset: str | None,
    blocks: int | None,
    source: bool,
    svg: Path | None,
    equals: str | None,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show TARGET: canonical formula, key, parameters, multiply-accumulates, history depth, paths and growth."""
    from formulanas.analysis.equivalence import equivalence
    from formulanas.report.show import describe, description_lines
    from formulanas.store.targets import resolve

    values = pairs(bindings, "--bind")
    facts = describe(target, values, backbone, dataset, blocks)
    code = facts.pop("source")
    if svg is not None:
        from formulanas.diagram import write_diagram

        write_diagram(svg, resolve(target, values).recursion)
    lines = [code] if source else list(description_lines(facts))
    if equals is not None:
        other = resolve(equals).recursion
        compared = equivalence(resolve(target, values).recursion, other)
        facts["equals"] = {"formula": other.text, **asdict(compared)}
        lines.append(f"equals     {compared.statement} (A is {facts['formula']}, B is {other.text})")
    answer(as_json, facts, lines)
