"""Tests that nginx's table of types for shared files has the types that files can have."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from servicekit.file_types import FILE_TYPES
from servicekit.known_types import name_of
from wharf_upload.content_types import media_types, zip_files
from wharf_upload.downloads.headers import content_type
from wharf_upload.http.sending import kind

TABLE = Path(__file__).parents[3] / "deploy" / "nginx" / "snippets" / "shared_types.conf"
_TYPE = re.compile(r"(?:application|audio|font|image|model|text|video)/[a-z0-9.+-]*[a-z0-9]")
SNIFFERS = Path(zip_files.__file__).parent
_UNKNOWN = "application/octet-stream"


def table() -> dict[str, str]:
    """Return the table: Content-Type by extension."""
    lines = re.findall(r'^    (?:"([^"]+)"|(\S+)) (\S+);$', TABLE.read_text(), re.MULTILINE)
    return {extension: quoted or plain for quoted, plain, extension in lines}


def types_in_code() -> set[str]:
    """Return every type that the sniffers' code contains."""
    found: set[str] = set()
    for path in (SNIFFERS).glob("*.py"):
        if path.name != "media_types.py":
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= {node.value} if _TYPE.fullmatch(node.value) else set()
    office = {media_type for _, media_type in zip_files._OFFICE}
    films = {f"{major}/{minor}" for major in ("audio", "video") for minor in ("webm", "x-matroska")}
    return found | office | films


def test_every_type_of_a_file_is_listed() -> None:
    """The list of file types has exactly the types that sniffers return."""
    found = {one for one in types_in_code() if name_of(one) == one and one[-1] != "."}
    stated = {one for one in FILE_TYPES if zip_files._STATED.fullmatch(one.encode())}
    listed = found | stated | media_types.REFINEMENTS | {_UNKNOWN}
    listed -= {"application/vnd.openxmlformats-officedocument."}
    assert listed == FILE_TYPES
    assert len(found) > 220
    assert media_types.INLINE_TYPES <= FILE_TYPES


def test_every_type_is_in_the_table() -> None:
    """A file gets the same Content-Type by link as by token, with and without a charset."""
    known = table()
    for one in FILE_TYPES - {_UNKNOWN}:
        assert known.get(kind(one)) == content_type(one), one
        if one.startswith("text/"):
            assert known.get(kind(one, utf8=False)) == content_type(one, utf8=False), one


def test_a_type_that_a_client_has_named_goes_out_as_what_the_bytes_are() -> None:
    """By link a kind of text is served as text, and a kind of picture as the picture."""
    assert kind("text/x-python") == kind("text/plain")
    assert kind("image/x-adobe-dng") == kind("image/tiff")


def test_the_table_has_no_active_type_by_mistake() -> None:
    """Each extension in the table stands for the one type that it is formed from."""
    for extension, field in table().items():
        assert kind(field.partition(";")[0]) == extension.removesuffix("--8bit")


@given(st.text(max_size=80))
def test_a_kind_is_one_extension(media_type: str) -> None:
    """The extension of any type has no dot, slash or other character of a path's syntax."""
    assert re.fullmatch(r"[a-z0-9_+-]*", kind(media_type))
