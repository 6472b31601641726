"""Documents on disk: YAML and JSON read safely into checked values, and written whole or not at all."""

import hashlib
import json
import os
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, cast, get_args, get_origin

import yaml
from pydantic import TypeAdapter, ValidationError

from formulanas.errors import InputError, unknown_name

T = TypeVar("T")


class Record(Protocol):
    """A dataclass that is kept as a document; SCHEMA counts the forms that it had, and all of them are read."""

    SCHEMA: ClassVar[int]


R = TypeVar("R", bound=Record)


def read_record(kind: type[R], path: Path) -> R:
    """The record that a YAML or JSON file holds.

    Raises InputError, which names the file, for a document of a newer schema or of another shape.
    """
    document = read_yaml(path) if path.suffix == ".yaml" else read_json(path)
    schema = document.pop("schema", 1)
    if schema not in range(1, kind.SCHEMA + 1):
        raise InputError(
            f"{path} has the schema {schema!r}, but this version of formulanas reads 1 to {kind.SCHEMA}; "
            "read it by the version that wrote it, or a newer one"
        )
    return from_mapping(kind, document, str(path))


def write_record(path: Path, record: Record) -> None:
    """Writes a record, as YAML or JSON by the file's ending, whole or not at all."""
    document = {"schema": record.SCHEMA, **to_plain(record)}
    (write_yaml if path.suffix == ".yaml" else write_json)(path, document)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises InputError for what is no YAML mapping."""
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable YAML: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} must hold a mapping, but holds {type(document).__name__}")
    return document


def read_value(text: str) -> Any:
    """The value that `text` is in YAML: 5, 0.1, true, [1, 2] or a word."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{text!r} is not a YAML value: {error}") from None


def write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a YAML file whole or not at all."""
    write_text(path, yaml.safe_dump(dict(document), sort_keys=False, width=110, allow_unicode=True))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises InputError for what is no JSON object."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} must hold an object, but holds {document!r:.40}")
    return document


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a JSON file whole or not at all."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Writes a file of one JSON object a line, whole or not at all."""
    write_text(path, "".join(json.dumps(each) + "\n" for each in objects))


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all: a temporary file beside it, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def from_mapping(kind: type[T], mapping: object, place: str) -> T:
    """The dataclass `kind` from what a document says of it, nested dataclasses included.

    Raises InputError with the place of an unknown, missing or misfit key; unknown keys list the nearest.
    """
    if not isinstance(mapping, Mapping):
        raise InputError(f"{place or 'the document'} must be a mapping of settings, but is {mapping!r}")
    known = {field.name: field for field in fields(cast(Any, kind)) if field.init}
    hints = _hints(cast(Any, kind))
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        here = f"{place}.{key}" if place else str(key)
        if key not in known:
            raise InputError(f"{unknown_name('setting', key, known)} ({here})")
        values[key] = _value(hints[key], value, here)
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"the setting {place + '.' if place else ''}{name} is missing")
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{error}" if not place or place in str(error) else f"{error} ({place})") from None


def _value(hint: Any, value: object, place: str) -> Any:
    options = get_args(hint) if get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    for option in options:
        if is_dataclass(option) and isinstance(value, Mapping):
            return from_mapping(cast(type[Any], option), value, place)
    if get_origin(hint) in (dict, Mapping, typing.get_origin(Mapping[str, int])) and isinstance(value, Mapping):
        inner = get_args(hint)[1]
        return {str(key): _value(inner, each, f"{place}.{key}") for key, each in value.items()}
    plain = tuple(option for option in options if not is_dataclass(option))
    try:
        return _adapter(plain).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}, but got {value!r}") from None


@cache
def _adapter(options: tuple[Any, ...]) -> TypeAdapter[Any]:
    """What checks a value against a union of types: made once, since making it takes as long as many checks."""
    return TypeAdapter(typing.Union[options])  # type: ignore[arg-type]  # noqa: UP007


_hints = cache(typing.get_type_hints)


def to_plain(value: object) -> Any:
    """A dataclass, and all in it, as mappings, lists and plain values, as documents hold them."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(each) for each in value]
    return value


def changes(value: object) -> dict[str, Any]:
    """What of a dataclass differs from its defaults, or has none, as plain values."""
    return {
        field.name: to_plain(own)
        for field in fields(cast(Any, value))
        if (own := getattr(value, field.name)) != field.default
    }


def digest(value: object) -> str:
    """A short hash of what differs from the defaults, so that a new setting leaves the digests of old values."""
    return hashlib.sha256(json.dumps(changes(value), sort_keys=True).encode()).hexdigest()[:8]
