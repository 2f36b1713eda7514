"""A parser for the Content-Type of multipart/form-data and for the header fields of each part.

The parser reads the format of RFC 7578 and RFC 2046 as browsers and curl write it: names are raw
UTF-8. '"', CR and LF in names are percent-encoded (WHATWG HTML, "multipart/form-data encoding
algorithm") or escaped with a backslash. `sent_names.py` reads the names of other clients.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from wharf_upload.uploads.multipart import sent_names

_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
# In a quoted string a backslash escapes only '"' and itself: browsers send paths and names with
# single backslashes unescaped. The second alternative is for a name that ends in a backslash. It
# takes all text up to a '"' that ends the value or precedes a ";".
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"(?=[ \t]*(?:;|\Z))|"[^"]*"(?=[ \t]*(?:;|\Z))'
# Clients send unquoted values that are not tokens ("boundary=----=_Part_1:2").
_BARE: Final = r'[^\s;"]++'
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*(?:({_WORD})[ \t]*=[ \t]*({_QUOTED}|{_BARE}))?")
_MEDIA_TYPE = re.compile(r"[ \t]*multipart/form-data(?=[ \t]*(?:;|\Z))", re.IGNORECASE)
_FORM_DATA = re.compile(r"[ \t]*form-data(?=[ \t]*(?:;|\Z))", re.IGNORECASE)
_BLANK = re.compile(r"[ \t]*\Z")
_ESCAPED = re.compile(r'\\(["\\])')
# See RFC 2046 section 5.1.1.
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")

_HEADER = re.compile(rf"({_WORD})[ \t]*:[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_FOLD = re.compile(rb"\r\n[ \t]+")
# See RFC 8187 section 3.2.1.
_EXTENDED = re.compile(
    r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'((?:%[0-9A-Fa-f]{2}|[A-Za-z0-9!#$&+.^_`|~-])*+)",
    re.IGNORECASE,
)
# The maximum number of parameters: no client needs more. With more parameters, one header field
# would cost more time than its size justifies.
_MAX_PARAMETERS: Final = 16
_IDENTITY_ENCODINGS: Final = frozenset({"", "7bit", "8bit", "binary"})


class MalformedMultipart(ValueError):
    """The body, or its Content-Type, is not the multipart/form-data of RFC 7578."""


@dataclass(frozen=True, slots=True)
class PartHeaders:
    """The header fields of one part.

    `filename` is unchecked, as the client sent it; `None` for a plain field, and "" for a file
    input that was left empty. `content_type` and `content_digest` are the raw values of the header
    fields.
    """

    name: str
    filename: str | None
    content_type: str | None
    content_digest: str | None


def boundary_of(content_type: str) -> bytes:
    """Return the boundary (1 to 70 bytes of ASCII) in a multipart/form-data Content-Type.

    Raises:
        MalformedMultipart: another type, no boundary, two boundaries, or one that RFC 2046 forbids.
    """
    found = _MEDIA_TYPE.match(content_type)
    if found is None:
        raise MalformedMultipart("The Content-Type is not multipart/form-data; send a form.")
    boundary = _parameters(content_type, found.end(), "Content-Type").get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedMultipart(
            "The Content-Type has no boundary of 1 to 70 allowed characters; let the HTTP client"
            " set this header."
        )
    return boundary.encode("ascii")


def parse(block: bytes, max_headers: int, boundary: bytes = b"") -> PartHeaders:
    """Parse the header lines of a part, without the empty line that ends them.

    `boundary` is the form's: its shape identifies forms of aiohttp.

    Raises:
        MalformedMultipart: too many lines, not UTF-8, or not the header fields of a form's part.
    """
    fields = _fields(block, max_headers)
    disposition = fields.get("content-disposition")
    if disposition is None:
        raise MalformedMultipart("A part has no Content-Disposition; send a form.")
    encoding = fields.get("content-transfer-encoding", "").strip().lower()
    if encoding not in _IDENTITY_ENCODINGS:
        raise MalformedMultipart(
            "A part has a Content-Transfer-Encoding, which RFC 7578 removed; send plain bytes."
        )
    from_aiohttp = sent_names.is_from_aiohttp(boundary, next(iter(fields)))
    name, filename = _form_data(disposition, percent_encoded=from_aiohttp)
    return PartHeaders(name, filename, fields.get("content-type"), fields.get("content-digest"))


def _fields(block: bytes, max_headers: int) -> dict[str, str]:
    """Return the header fields in the block by lower-case name."""
    try:
        lines = _FOLD.sub(b" ", block).decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        raise MalformedMultipart(
            "A part's header is not UTF-8; send file and field names in UTF-8."
        ) from None
    if len(lines) > max_headers:
        raise MalformedMultipart(f"A part has more than {max_headers} headers; send fewer.")
    fields: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise MalformedMultipart("A line in a part's headers is not a header; send a form.")
        name = header[1].lower()
        if name in fields:
            raise MalformedMultipart("A part has the same header twice; send it once.")
        fields[name] = header[2].rstrip(" \t")
    return fields


def _form_data(disposition: str, *, percent_encoded: bool) -> tuple[str, str | None]:
    """Return the field name and the file name in a Content-Disposition (RFC 7578 section 4.2)."""
    kind = _FORM_DATA.match(disposition)
    if kind is None:
        raise MalformedMultipart("A part's Content-Disposition is not form-data; send a form.")
    parameters = _parameters(disposition, kind.end(), "Content-Disposition")
    if any(key.startswith("filename*") and key != "filename*" for key in parameters):
        # A name in pieces (RFC 2231) would look like no name: the service would read the file as a
        # plain field, and lose it.
        raise MalformedMultipart("A part's file name comes in pieces; send it in one parameter.")
    name = _value(parameters, "name")
    if name is None:
        raise MalformedMultipart("A part has no field name; name every part.")
    return name, _value(parameters, "filename", percent_encoded=percent_encoded)


def _value(
    parameters: dict[str, str], parameter: str, *, percent_encoded: bool = False
) -> str | None:
    """Return the value of a parameter; its extended form takes precedence."""
    extended = parameters.get(f"{parameter}*")
    if extended is not None:
        return _extended(extended, parameter)
    plain = parameters.get(parameter)
    if plain is None:
        return None
    try:
        return sent_names.read(plain, percent_encoded=percent_encoded)
    except sent_names.UndecodableName as error:
        raise MalformedMultipart(
            f"A part's {parameter} is an encoded word (RFC 2047), but {error}; send it in UTF-8."
        ) from None


def _parameters(value: str, position: int, field: str) -> dict[str, str]:
    """Return the parameters from `position` to the end, unquoted, by lower-case name."""
    found: dict[str, str] = {}
    for _ in range(_MAX_PARAMETERS):
        match = _PARAMETER.match(value, position)
        if match is None:
            break
        position = match.end()
        if match[1] is None:  # an empty member: "form-data; ;name=x" or a trailing ";"
            continue
        name = match[1].lower()
        if name in found:
            raise MalformedMultipart(f"The {field} has the same parameter twice; send it once.")
        found[name] = _unquoted(match[2])
    if not _BLANK.match(value, position):
        raise MalformedMultipart(f"The {field} has a malformed parameter; quote its value.")
    return found


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    inner = value[1:-1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


def _extended(value: str, parameter: str) -> str:
    """Decode an extended value such as UTF-8'en'%e2%82%ac (RFC 8187)."""
    parts = _EXTENDED.fullmatch(value)
    if parts is None:
        raise MalformedMultipart(
            f"A part's {parameter}* is malformed; send UTF-8''percent-encoded."
        )
    try:
        return unquote_to_bytes(parts[2]).decode(parts[1])
    except UnicodeDecodeError:
        raise MalformedMultipart(f"A part's {parameter}* is not UTF-8; encode it again.") from None
