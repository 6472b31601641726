"""The classes of blocks as code: what each makes, and its forward pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from formulanas.export.blocks import Block, BlockClass
from formulanas.export.layout import WIDTH, bracketed, indented, sum_lines
from formulanas.export.statements import magnitudes, named, statements
from formulanas.export.template import Parameter, Slot, Template, abstracted
from formulanas.export.wiring import Wiring

MOST_KINDS = 4  # above it, a class of one block is called after the block


@dataclass(frozen=True)
class BlockCode:
    """The code of a class, and for each block of it, by number, the call that makes one."""

    text: str
    calls: Mapping[int, str]


def class_names(classes: Sequence[BlockClass], wiring: Wiring) -> list[str]:
    """Block for what most blocks are; others after what is particular about them."""
    most = max(classes, key=lambda each: len(each.blocks))
    roles, last = wiring.history.architecture.plan.roles, wiring.history.num_blocks
    found: list[str] = []
    seen: dict[str, int] = {}
    for each in classes:
        numbers = [block.number for block in each.blocks]
        carries = any(roles[module].kind == "carry" for module in each.template.modules.values())
        if each is most and len(numbers) > 1:
            name = "Block"
        elif len(numbers) == 1 and len(classes) > MOST_KINDS:
            found.append(f"Block{numbers[0]}")
            continue
        elif numbers == [1]:
            name = "FirstBlock"
        else:
            name = "TransitionBlock" if carries else "LastBlock" if numbers == [last] else "OtherBlock"
        seen[name] = seen.get(name, 0) + 1
        found.append(f"{name}{seen[name]}" if seen[name] > 1 else name)
    return found


def block_code(each: BlockClass, name: str, calls: Mapping[str, Template], wiring: Wiring) -> BlockCode:
    """The code of one class of blocks, whose modules are made by `calls`."""
    found, texts = abstracted([_values(block, calls) for block in each.blocks])
    local = [*each.template.modules]
    names = {parameter.name for parameter in found}
    made = [f"self.{attribute} = {text}" for attribute, text in zip(local, texts, strict=False)]
    numbers = texts[len(local) :]
    made += [f"self.{number} = {number}" for number in dict.fromkeys(numbers) if number in names]
    title = f'    """{_title(each, wiring.history.num_blocks)}"""'
    lines = [f"class {name}(nn.Module):", *([title] if len(title) <= WIDTH else [title[:-3], '    """'])]
    if made:
        signature = bracketed("def __init__(", ["self", *(part.declaration for part in found)], ") -> None:", 4)
        lines += ["", *signature, "        super().__init__()", *(line for text in made for line in indented(text, 8))]
    lines += ["", *_forward(each, [f"self.{number}" if number in names else number for number in numbers], wiring)]
    return BlockCode("\n".join(lines), {block.number: _call(name, found, at) for at, block in enumerate(each.blocks)})


def _values(block: Block, calls: Mapping[str, Template]) -> list[Template]:
    """What makes the modules of a block, then the numbers of its forward pass."""
    modules = [calls[module] for module in block.modules.values()]
    numbers = [number for line in block.lines for number in magnitudes(line.operation)]
    return modules + [(Slot(each, "width" if isinstance(each, int) else "coefficient"),) for each in numbers]


def _title(each: BlockClass, num_blocks: int) -> str:
    """Which blocks are of a class."""
    numbers = [block.number for block in each.blocks]
    runs = [[each for _, each in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"Block{'s' if len(numbers) > 1 else ''} {', '.join(texts)} of {num_blocks}."


def _call(name: str, found: Sequence[Parameter], use: int) -> str:
    written = []
    for each in found:
        value = each.values[use]
        if each.is_positional:
            written.append(repr(value))
        elif value != each.default:
            written.append(f"{each.name}={value!r}")
    return f"{name}({', '.join(written)})"


def _forward(each: BlockClass, numbers: Sequence[str], wiring: Wiring) -> list[str]:
    given, history, template = wiring.parameters(each), wiring.history, each.template
    lines = {line.target: line for line in template.lines}
    roles = history.architecture.plan.roles

    def wanted(variable: str) -> str:
        module = lines[variable].module
        role = roles[template.modules[module]] if module else None
        if role is not None and role.kind == "carry" and lines[variable].inputs[0] in given:
            return given[lines[variable].inputs[0]]
        if held := history.states(variable):
            return history.names[held[0].sequence]
        return module.lower() if module else "u"

    body, found = named(statements(template.lines, iter(numbers), each.outputs), given, wanted, each.outputs)
    returned = ", ".join(found[name] for name in each.outputs)
    texts = [(f"{target} = ", terms) for target, terms in body]
    if body and body[-1][0] == returned:
        texts[-1] = ("return ", body[-1][1])
    else:
        texts.append(("return ", [returned]))
    several = len(each.outputs)
    kind = "Tensor" if several == 1 else f"tuple[{', '.join(['Tensor'] * several) if several < 5 else 'Tensor, ...'}]"
    arguments = [f"{name}: {'int' if name == 'batch' else 'Tensor'}" for name in given.values()]
    signature = bracketed("def forward(", ["self", *arguments], f") -> {kind}:", 4)
    return [*signature, *(line for head, terms in texts for line in sum_lines(head, terms, 8))]
