"""The lines of a block as statements that a person would write: parts in place, names that say what they hold."""

import ast
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

FUNCTIONS = {
    "relu": "torch.relu",
    "sigmoid": "torch.sigmoid",
    "tanh": "torch.tanh",
    "silu": "functional.silu",
    "gelu": "functional.gelu",
    "cat": "torch.cat",
}
LINE_LENGTH = 88  # of a statement that is put together from parts
RESERVED = {"self", "torch", "nn", "functional", "block", "images", "batch", "Tensor"}


@dataclass(frozen=True)
class Statement:
    """`target = code`, where variables still have the names of the plan."""

    target: str
    code: ast.expr


def statement(target: str, code: str) -> Statement:
    """A line of the plan, with functions called as in a file of its own."""
    expression = ast.parse(code, mode="eval").body
    return Statement(target, _Plain().visit(expression))


class _Plain(ast.NodeTransformer):
    """The functions of the plan by their names in torch, whole numbers, and 1 - t for -t + 1."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name):
            if node.func.id == "identity":
                return node.args[0]
            return ast.Call(ast.parse(FUNCTIONS[node.func.id], mode="eval").body, node.args, [])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right = node.left, node.right
        if isinstance(left, ast.UnaryOp) and isinstance(node.op, ast.Add) and isinstance(right, ast.Constant):
            return ast.BinOp(right, ast.Sub(), left.operand)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, float) and node.value.is_integer() and abs(node.value) < 1e6:
            return ast.Constant(int(node.value))
        return node


def variables(expression: ast.expr, known: Collection[str]) -> list[str]:
    """The variables among `known` that an expression reads, as often as it reads them."""
    return [node.id for node in ast.walk(expression) if isinstance(node, ast.Name) and node.id in known]


class _Replace(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)


def _modules(expression: ast.expr) -> list[str]:
    """The modules that an expression calls."""
    return [
        node.func.attr
        for node in ast.walk(expression)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "self"
    ]


def in_place(statements: Sequence[Statement], kept: Collection[str]) -> list[Statement]:
    """The statements with each value that is read once written where it is read, unless it is one of `kept`.

    A module that is called twice stays where it is called: its running statistics depend on the order.
    """
    targets = {each.target for each in statements}
    calls = [name for each in statements for name in _modules(each.code)]
    result = list(statements)
    for target in [each.target for each in statements]:
        at = next(place for place, each in enumerate(result) if each.target == target)
        readers = [place for place, each in enumerate(result) if target in variables(each.code, targets)]
        if target in kept or len(readers) != 1:
            continue
        reader, code = result[readers[0]], result[at].code
        if variables(reader.code, targets).count(target) > 1 or any(calls.count(name) > 1 for name in _modules(code)):
            continue
        whole = _Replace({target: code}).visit(ast.parse(ast.unparse(reader.code), mode="eval").body)
        if len(ast.unparse(whole)) <= LINE_LENGTH:
            result[readers[0]] = Statement(reader.target, whole)
            del result[at]
    return result


def named(
    statements: Sequence[Statement],
    given: Mapping[str, str],
    wanted: Callable[[str], str],
    kept: Collection[str],
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The statements as (name, code), and the names of all variables.

    `given` are the names of what is there before; `wanted` the best name for a variable; `kept` are read afterwards.
    """
    names = dict(given)
    known = {*given, *(each.target for each in statements)}
    lines: list[tuple[str, str]] = []
    for place, each in enumerate(statements):
        later = {name for after in statements[place + 1 :] for name in variables(after.code, known)} | {*kept}
        taken = {names[name] for name in later if name in names} | RESERVED
        code = ast.unparse(_Replace({old: ast.Name(new) for old, new in names.items()}).visit(_copy(each.code)))
        name = wanted(each.target)
        candidates = [name, f"new_{name}", *(f"{name}_{number}" for number in range(2, 10_000))]
        names[each.target] = next(candidate for candidate in candidates if candidate not in taken)
        lines.append((names[each.target], _slices(code)))
    return lines, names


def _copy(expression: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(expression), mode="eval").body


def _slices(code: str) -> str:
    """Slices as formatters write them, with spaces around a colon beside an attribute."""
    code = re.sub(r"\[:, :(self\.\w+)\]", r"[:, : \1]", code)
    return re.sub(r"\[:, (self\.\w+):\]", r"[:, \1 :]", code)
