"""The command that designs backwards, from path counts to a recursion."""

import click

from formulanas.cli.options import answer, as_json, pairs


@click.command()
@click.option("--paths", "wanted", required=True, metavar="EXPR", help="(1+z)^L, sum(z^i, i, 0, L), or 1; 1,1; 1,1,1.")
@click.option("--max-depth", default=4, show_default=True, help="The greatest history depth to try, up to 6.")
@click.option("--bind", "bindings", multiple=True, metavar="NAME=VALUE", help="A number for a name in EXPR: k=3.")
@as_json
def design(wanted: str, max_depth: int, bindings: tuple[str, ...], as_json: bool) -> None:
    """Design backwards: find the recursion that has the wanted paths by length, for every number of blocks L.

    EXPR is the path polynomial, in which z marks a residual function that is passed, or a table with a row of
    coefficients for each L from 0. Exit code 1 says that there is none up to the history depth.
    """
    from formulanas.analysis.design import design as design_recursion

    designed = design_recursion(wanted, max_depth, pairs(bindings, "--bind"))
    recursion = designed.recursion
    document = {
        "paths": wanted,
        "formula": recursion.text if recursion else None,
        "key": recursion.key if recursion else None,
        "history_depth": recursion.history_depth if recursion else None,
        "anchor": recursion.reads_anchor if recursion else None,
        "exact": designed.exact,
        "determined_by": designed.determined_by,
        "blocks": designed.num_blocks,
        "reason": designed.reason,
    }
    answer(as_json, document, [designed.statement])
    if recursion is None:
        click.get_current_context().exit(1)
