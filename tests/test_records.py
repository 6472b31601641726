"""Documents on disk: one record of each kind, whose schema and shape are checked, and digests that outlive settings."""

from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from formulanas.errors import InputError
from formulanas.records import changes, digest, read_json, read_record, read_yaml, write_record


@dataclass(frozen=True)
class Note:
    """A kind of document in its second form."""

    SCHEMA: ClassVar[int] = 2
    text: str
    tags: tuple[str, ...] = ()


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_record_is_read_as_it_was_written(ending: str, tmp_path: Path) -> None:
    """The schema stands in the document, first; a document without one is of the first form."""
    path = tmp_path / f"note.{ending}"
    write_record(path, Note("a", ("b", "c")))
    assert read_record(Note, path) == Note("a", ("b", "c"))
    assert next(iter((read_yaml if ending == "yaml" else read_json)(path).items())) == ("schema", 2)
    path.write_text('{"text": "old"}')
    assert read_record(Note, path) == Note("old")


@pytest.mark.parametrize("ending", ["yaml", "json"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"schema": 3, "text": "a", "colour": "red"}',
            "has the schema 3, but this version of formulanas reads 1 to 2",
        ),
        ('{"schema": "x", "text": "a"}', "has the schema 'x'"),
        ('{"schema": [], "text": "a"}', r"has the schema \[\]"),
        ("[]", "must hold"),
        ("null", "must hold"),
        ('"text"', "must hold"),
        ("{", "note"),
        ("{}", "text is missing"),
        ('{"text": "a", "tag": []}', "did you mean 'tags'"),
    ],
)
def test_a_document_of_another_form_is_one_message_with_the_file(
    text: str, words: str, ending: str, tmp_path: Path
) -> None:
    """Newer schemas, other shapes and torn files."""
    path = tmp_path / f"note.{ending}"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as raised:
        read_record(Note, path)
    assert str(path) in str(raised.value)


def test_a_new_setting_changes_no_old_digest() -> None:
    """The same values under a class that has one setting more, at its default; at another value it counts."""
    wider = make_dataclass("Note", [("text", str), ("tags", tuple[str, ...], ()), ("size", int, 12)], frozen=True)
    assert changes(Note("a")) == {"text": "a"}
    assert digest(wider("a")) == digest(Note("a"))
    assert len({digest(each) for each in (Note("a"), Note("b"), Note("a", ("b",)), wider("a", (), 13))}) == 4
