"""Text with slots: code that is the same but for some values becomes one function or class with parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

Number = int | float | tuple[float, ...]
CHANNELS = ("in_channels", "channels", "inside", "out_channels", "squeezed")  # in the order of parameters


@dataclass(frozen=True)
class Slot:
    """A value that may become a parameter, called after its `role`.

    With a `keyword` it is written as an argument of that name, and not at all where it is the keyword's default.
    """

    value: Number
    role: str
    keyword: str = ""
    default: Number | None = None


Template = tuple[str | Slot, ...]
Skeleton = tuple[str | tuple[str, Number | None], ...]


def skeleton(template: Template) -> Skeleton:
    """What must be equal for two templates to be one but for their values."""
    return tuple(part if isinstance(part, str) else (part.keyword, part.default) for part in template)


def slots(template: Template) -> list[Slot]:
    """The slots of a template in their order."""
    return [part for part in template if isinstance(part, Slot)]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function or class, and its value in each use."""

    name: str
    values: tuple[Number, ...]
    default: Number | None

    @property
    def is_positional(self) -> bool:
        """Whether calls give it without its name: the channels."""
        return self.role in CHANNELS

    @property
    def role(self) -> str:
        """Its name without a number."""
        return self.name.rstrip("0123456789")

    @property
    def declaration(self) -> str:
        """Its part of the signature."""
        first = self.values[0]
        kind = "tuple[float, ...]" if isinstance(first, tuple) else type(first).__name__
        return f"{self.name}: {kind}" + ("" if self.default is None else f" = {self.default!r}")

    def argument(self, use: int) -> Template:
        """Its part of the call in one use, for a call whose other arguments come before."""
        value = self.values[use]
        if self.is_positional:
            return ", ", Slot(value, self.role)
        if self.default is not None:
            return (Slot(value, self.role, self.name, self.default),)
        return f", {self.name}=", Slot(value, self.role)


def parameters(uses: Sequence[Template]) -> list[Parameter]:
    """What differs between templates of one skeleton, and their channels; slots of equal values are one parameter."""
    columns: dict[tuple[bool, tuple[Number, ...]], list[Slot]] = {}
    for column in zip(*map(slots, uses), strict=True):
        values = tuple(slot.value for slot in column)
        if column[0].role in CHANNELS or len(set(values)) > 1:
            columns.setdefault((column[0].role in CHANNELS, values), []).append(column[0])
    found: list[Parameter] = []
    for (_, values), members in columns.items():
        name = base = _name([slot.role for slot in members])
        number = 1
        while name in {each.name for each in found}:
            number += 1
            name = f"{base}{number}"
        defaults = [slot.default for slot in members if slot.role not in CHANNELS and slot.default in values]
        default = defaults[0] if defaults else None
        found.append(Parameter(name, values, default))
    names = {each.name for each in found}
    for one, other in (("in_channels", "out_channels"), ("out_channels", "in_channels")):
        if {one, "channels"} <= names and other not in names:
            found = [replace(each, name=other) if each.name == "channels" else each for each in found]
    return sorted(found, key=lambda each: (not each.is_positional, each.default is not None, _position(each.role)))


def _position(role: str) -> int:
    return CHANNELS.index(role) if role in CHANNELS else len(CHANNELS)


def _name(roles: list[str]) -> str:
    if "channels" in roles or {"in_channels", "out_channels"} <= set(roles):
        return "channels"
    for role in ("in_channels", "out_channels"):
        if role in roles:
            return role
    return roles[0]


def abstracted(uses: Sequence[Sequence[Template]]) -> tuple[list[Parameter], list[str]]:
    """The parameters of templates that are used several times, and their texts with those in the places of values."""
    columns = [tuple(slot for template in use for slot in slots(template)) for use in uses]
    values = iter(tuple(slot.value for slot in column) for column in zip(*columns, strict=True))
    found = parameters([tuple(part for template in use for part in template) for use in uses])
    names = {(each.is_positional, each.values): each.name for each in found}
    texts = [
        "".join(
            part if isinstance(part, str) else _written(part, names.get((part.role in CHANNELS, next(values))))
            for part in template
        )
        for template in uses[0]
    ]
    return found, texts


def _written(slot: Slot, name: str | None) -> str:
    value = slot.value
    if isinstance(value, float) and slot.role == "coefficient" and value.is_integer() and value < 1e6:
        value = int(value)  # a coefficient of a formula is written as there
    text = name or repr(value)
    if not slot.keyword:
        return text
    return "" if name is None and slot.value == slot.default else f", {slot.keyword}={text}"


def plain(template: Template) -> str:
    """The text with every slot written as its value."""
    return "".join(part if isinstance(part, str) else _written(part, None) for part in template)
