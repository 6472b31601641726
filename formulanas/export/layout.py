"""Brackets broken over lines as ruff and black break them."""

from collections.abc import Sequence

WIDTH = 120


def bracketed(head: str, parts: Sequence[str], tail: str, indent: int = 0) -> list[str]:
    """`head`, the parts between commas, `tail`: on one line, or all parts on a line of their own, or one a line."""
    margin, inside = " " * indent, ", ".join(parts)
    if "\n" not in inside and indent + len(head + inside + tail) <= WIDTH:
        return [f"{margin}{head}{inside}{tail}"]
    is_list = head.endswith("[")
    if not is_list and "\n" not in inside and indent + 4 + len(inside) <= WIDTH:
        body = [inside]
    else:
        ending = "," if is_list or len(parts) > 1 else ""
        body = [line for part in parts for line in f"{part}{ending}".split("\n")]
    return [f"{margin}{head}", *(f"{margin}    {line}" for line in body), f"{margin}{tail}"]


def indented(text: str, indent: int) -> list[str]:
    """The lines of a text, moved to the right."""
    return [" " * indent + line for line in text.split("\n")]


def sum_lines(head: str, terms: Sequence[str], indent: int) -> list[str]:
    """A sum on one line, or in brackets with a term a line."""
    margin, whole = " " * indent, head + " ".join(terms)
    if indent + len(whole) <= WIDTH or len(terms) == 1:
        return [f"{margin}{whole}"]
    return [f"{margin}{head}(", *(f"{margin}    {term}" for term in terms), f"{margin})"]
