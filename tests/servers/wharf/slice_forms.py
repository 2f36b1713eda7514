"""Forms with the two slices of a file, as dropzone sends them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.servers.wharf.multipart_body import field_part, file_part, multipart_body


def slice_form_of(
    name: str, content: bytes, uuid: str, index: int, choice: Mapping[str, str]
) -> bytes:
    """Return a form with one of two slices, as dropzone sends them."""
    size = -(-len(content) // 2)
    said = {
        "dzuuid": uuid,
        "dzchunkindex": str(index),
        "dztotalfilesize": str(len(content)),
        "dzchunksize": str(size),
        "dztotalchunkcount": "2",
        "dzchunkbyteoffset": str(index * size),
        **choice,
    }
    fields = [field_part(field, value) for field, value in said.items()]
    return multipart_body(*fields, file_part(name, content[index * size :][:size]))


def last_slice_of(name: str, content: bytes) -> bytes:
    """Return the form with the last slice of a file, with the name as uuid."""
    return slice_form_of(name, content, name, 1, {"on_conflict": "replace"})


def last_slice_by_ticket(name: str, content: bytes) -> bytes:
    """Return the form with the last slice of a file, without the field `on_conflict`."""
    return slice_form_of(name, content, name, 1, {})
