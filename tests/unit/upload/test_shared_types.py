"""nginx's table of types for shared files against the types that files can have."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.content_types import containers, media_types, sniffing
from wharf_upload.domain import upload_intent
from wharf_upload.downloads.headers import content_type
from wharf_upload.http.sending import kind

TABLE = Path(__file__).parents[3] / "deploy" / "nginx" / "snippets" / "shared_types.conf"
_TYPE = re.compile(r"(?:application|audio|font|image|text|video)/[a-z0-9.+-]*[a-z0-9]")
_UNKNOWN = "application/octet-stream"


def table() -> dict[str, str]:
    """Content-Type by extension."""
    lines = re.findall(r'^    (?:"([^"]+)"|(\S+)) (\S+);$', TABLE.read_text(), re.MULTILINE)
    return {extension: quoted or plain for quoted, plain, extension in lines}


def types_of_files() -> set[str]:
    """Every type that is found in bytes, or refined by what a client says."""
    found = {media_type for _, media_type in sniffing._MATCHERS}
    for module in (sniffing, containers):
        for value in vars(module).values():
            if isinstance(value, str | tuple | dict):
                found |= {text for text in _strings(value) if _TYPE.fullmatch(text)}
    return (found | upload_intent._REFINEMENTS | media_types.INLINE_TYPES) - {_UNKNOWN}


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for member in value.values() for text in _strings(member)]
    if isinstance(value, tuple | list | frozenset):
        return [text for member in value for text in _strings(member)]
    return []


def test_every_type_is_in_the_table() -> None:
    """A file's type goes out by link as it goes out by token."""
    known = table()
    found = types_of_files()
    assert len(found) > 80
    assert {t: known.get(kind(t)) for t in found} == {t: content_type(t) for t in found}


def test_the_table_has_no_active_type_by_mistake() -> None:
    """Each extension stands for the one type that it is made of."""
    for extension, field in table().items():
        assert kind(field.partition(";")[0]) == extension


@given(st.text(max_size=80))
def test_a_kind_is_one_extension(media_type: str) -> None:
    """Whatever a type is, its extension has no dot, slash or character of a path's syntax."""
    assert re.fullmatch(r"[a-z0-9_+-]*", kind(media_type))
