"""The classes of blocks as code: what each makes, and its forward pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from formulanas.export.blocks import TOKEN, BlockClass
from formulanas.export.layout import wrapped
from formulanas.export.statements import Statement, in_place, named, statement
from formulanas.export.template import Parameter, Slot, Template, parameters, resolve
from formulanas.export.trace import code_of
from formulanas.export.wiring import Names, parameters_of


@dataclass(frozen=True)
class BlockCode:
    """The code of a class, and for each block of it, by number, the call that makes one."""

    text: str
    calls: Mapping[int, str]


def class_names(classes: Sequence[BlockClass], num_blocks: int) -> list[str]:
    """Block for what most blocks are; others after what is particular about them."""
    most = max(classes, key=lambda each: len(each.blocks))
    found: list[str] = []
    for each in classes:
        carries = any(name.startswith("carry_") for name in each.template.modules.values())
        numbers = [block.number for block in each.blocks]
        name = "Block"
        if each is not most:
            first, last = numbers == [1], numbers == [num_blocks]
            name = "FirstBlock" if first else "TransitionBlock" if carries else "LastBlock" if last else "OtherBlock"
        same = [other for other in found if other.rstrip("0123456789") == name]
        found.append(f"{name}{len(same) + 1}" if same else name)
    return found


def block_code(each: BlockClass, name: str, title: str, calls: Mapping[str, Template], names: Names) -> BlockCode:
    """The code of one class of blocks, whose modules are made by `calls`."""
    uses = [_template(each, at, calls) for at in range(len(each.blocks))]
    found = parameters(uses)
    local = [*dict.fromkeys(each.template.modules.values())]
    rows = resolve(uses[0], found, 0, uses).split("\n")
    made, numbers = rows[: len(local)], rows[len(local)].split()
    stored = [number for number in dict.fromkeys(numbers) if number in {parameter.name for parameter in found}]
    lines = [f"class {name}(nn.Module):", *_docstring(title)]
    made = [f"self.{attribute} = {value}" for attribute, value in zip(local, made, strict=True)]
    made += [f"self.{number} = {number}" for number in stored]
    if made:
        signature = f"def __init__(self{''.join(f', {parameter.declaration}' for parameter in found)}) -> None:"
        body = ["super().__init__()", *made]
        lines += ["", *wrapped(signature, 4), *(line for text in body for line in wrapped(text, 8))]
    numbers = [f"self.{number}" if number in stored else number for number in numbers]
    lines += ["", *_forward(each, numbers, names)]
    return BlockCode("\n".join(lines), {block.number: _call(name, found, at) for at, block in enumerate(each.blocks)})


def _template(each: BlockClass, at: int, calls: Mapping[str, Template]) -> Template:
    """All values of a block: its modules, a line each, then the numbers of its forward pass."""
    block = each.blocks[at]
    parts: list[str | Slot] = []
    for module in block.modules:
        parts += [*calls[module], "\n"]
    for number in block.numbers:
        parts += [number, " "]
    return tuple(parts)


def _call(name: str, found: Sequence[Parameter], use: int) -> str:
    written = []
    for each in found:
        value = each.values[use]
        if each.is_positional:
            written.append(repr(value))
        elif value != each.default:
            written.append(f"{each.name}={value!r}")
    return f"{name}({', '.join(written)})"


def _docstring(title: str) -> list[str]:
    whole = f'    """{title}"""'
    return [whole] if len(whole) <= 120 else [f'    """{title}', '    """']


def _forward(each: BlockClass, numbers: Sequence[str], names: Names) -> list[str]:
    given = parameters_of(each, names)
    supply = iter(numbers)

    def token(text: str) -> str:
        return TOKEN.sub(
            lambda match: (
                f"self.{each.template.modules[match['module']]}"
                if match["module"]
                else next(supply)
                if match["number"]
                else match[0]
            ),
            text,
        )

    statements: list[Statement] = [statement(line.target, token(code_of(line))) for line in each.template.lines]
    module_of = {line.target: each.template.modules.get(line.module or "", "") for line in each.template.lines}
    inputs_of = {line.target: line.inputs for line in each.template.lines}

    def wanted(variable: str) -> str:
        if module_of[variable].startswith("carry_") and inputs_of[variable][0] in given:
            return given[inputs_of[variable][0]]
        if variable in each.outputs:
            return names.root(variable)
        return module_of[variable].lower() or "u"

    lines, found = named(in_place(statements, each.outputs), given, wanted, each.outputs)
    several = len(each.outputs) > 1
    returned = ", ".join(found[name] for name in each.outputs)
    if lines and not several and lines[-1][0] == returned:
        body = [*(f"{target} = {code}" for target, code in lines[:-1]), f"return {lines[-1][1]}"]
    else:
        body = [*(f"{target} = {code}" for target, code in lines), f"return {returned}"]
    kind = f"tuple[{', '.join(['Tensor'] * len(each.outputs))}]" if several else "Tensor"
    arguments = "".join(f", {name}: {'int' if name == 'batch' else 'Tensor'}" for name in given.values())
    signature = f"def forward(self{arguments}) -> {kind}:"
    return [*wrapped(signature, 4), *(line for text in body for line in wrapped(text, 8))]
