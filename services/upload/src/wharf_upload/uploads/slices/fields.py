"""The plain fields by which uploaders say that the file of a form is a slice of a larger one.

dropzone's slices are put together: it gives each file a random identifier, and says with every
slice how long the whole file is. What others say does not suffice (ADR 44), and their slices are
refused (`other_uploaders`), so that none becomes a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from servicekit.problems import ProblemError
from wharf_upload.problems import INCONSISTENT_SLICE
from wharf_upload.uploads.slices import other_uploaders as others

_UUID, _INDEX, _COUNT = "dzuuid", "dzchunkindex", "dztotalchunkcount"
_SLICE_BYTES, _LENGTH, _OFFSET = "dzchunksize", "dztotalfilesize", "dzchunkbyteoffset"
_DROPZONE = (_UUID, _INDEX, _COUNT, _SLICE_BYTES, _LENGTH, _OFFSET)
_LONGEST_UUID: Final = 255
# So many slices may be as small as they like: each is a request, and may be a file while it waits.
_MANY: Final = 10_000
_SMALL_BYTES: Final = 1_000_000


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """One of `count` slices of a file of `length` bytes.

    All have `slice_bytes`, and the last one what is left. `uuid` is the uploader's name for the
    file.
    """

    uuid: str
    index: int
    count: int
    slice_bytes: int
    length: int

    @property
    def begin(self) -> int:
        """Where in the file the slice begins, in bytes."""
        return self.index * self.slice_bytes

    @property
    def size(self) -> int:
        """How many bytes the slice has."""
        return min(self.slice_bytes, self.length - self.begin)


NAMES: Final = others.NAMES | frozenset(_DROPZONE)
"""The fields that may say that a form holds a slice; a form without them holds none."""
# Those that mean nothing else.
_DISTINCT: Final = others.DISTINCT | frozenset(_DROPZONE)


def announces_slice(fields: Mapping[str, str]) -> bool:
    """Tell whether these fields announce a slice that will be put together with others."""
    return _INDEX in fields and (others.number(fields, _COUNT) or 0) > 1


def said_in(query: str) -> dict[str, str]:
    """Return what the query of an address says.

    Raises the problem `inconsistent-slice` where it says one thing and another.
    """
    said: dict[str, str] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if said.setdefault(name, text) != text and name in _DISTINCT:
            raise contradiction(name)
    return said


def contradiction(field: str) -> ProblemError:
    """Return the problem for a field that stands in a request twice, with different values."""
    return INCONSISTENT_SLICE(
        f"{field} says one thing and another: with a slice each field stands once.", field=field
    )


def require_consistent(first: Mapping[str, str], last: Mapping[str, str], size: int) -> None:
    """Raise problems where fields said a slice, and then something else.

    `first` is what each field said where it stood first, in the address or in the form, and
    `last` what it said last. Raises `slices-not-joined` and `inconsistent-slice`.
    """
    for name, text in first.items():
        if name in _DISTINCT and last[name] != text:
            raise contradiction(name)
    others.refuse(first, size)


def read(fields: Mapping[str, str], size: int) -> Slice | None:
    """Return which slice a form with one file of `size` bytes holds; `None`: the file is whole.

    Raises the problems `slices-not-joined` and `inconsistent-slice`.
    """
    others.refuse(fields, size)
    missing = [name for name in _DROPZONE if name not in fields]
    if len(missing) == len(_DROPZONE) or _is_whole(fields):
        return None
    if missing:
        raise others.not_joined(
            "dropzone", f"The form holds a slice of a file and lacks {', '.join(missing)}."
        )
    found = _slice(fields)
    if found.size != size:
        raise INCONSISTENT_SLICE(
            f"Slice {found.index} of {found.count} has {size} bytes; by the other fields it has "
            f"{found.size}.",
            expected_bytes=found.size,
            received_bytes=size,
        )
    return found


def asks_for_slice(query: str) -> bool:
    """Tell whether the query of a GET asks if a slice is there, and not for the file."""
    return "hunkNumber=" in query and others.ask_for_slice(said_in(query))


def refuse_bare(query: str, size: int) -> None:
    """Raise the problem `slices-not-joined` for a body of `size` bytes that is a slice.

    It comes without a form, and the query of its address says so. Raises `inconsistent-slice`, too.
    """
    said = said_in(query)
    others.refuse(said, size)
    if not _is_whole(said) and any(name in said for name in _DROPZONE):
        raise others.not_joined("dropzone")


def _is_whole(fields: Mapping[str, str]) -> bool:
    """Whether dropzone says that there is one slice only (`forceChunking`)."""
    count = others.number(fields, _COUNT)
    return count is not None and count <= 1 and fields.get(_INDEX, "0") == "0"


def _slice(fields: Mapping[str, str]) -> Slice:
    numbers = {name: others.number(fields, name) for name in _DROPZONE[1:]}
    wrong = [name for name, number in numbers.items() if number is None]
    if wrong or not 0 < len(fields[_UUID]) <= _LONGEST_UUID:
        raise INCONSISTENT_SLICE(
            f"{', '.join(wrong) or _UUID} cannot be read.", field=(wrong or [_UUID])[0]
        )
    index, count, slice_bytes, length, offset = (numbers[name] or 0 for name in _DROPZONE[1:])
    if not (count - 1) * slice_bytes < length <= count * slice_bytes:
        raise INCONSISTENT_SLICE(
            f"A file of {length} bytes is not cut into {count} slices of {slice_bytes} bytes. An "
            "uploader that changes files before it sends them tells the size of the original.",
            field=_LENGTH,
        )
    if count > _MANY and slice_bytes < _SMALL_BYTES:
        raise INCONSISTENT_SLICE(
            f"A file in more than {_MANY} slices has slices of {_SMALL_BYTES} bytes or more; these "
            f"have {slice_bytes}.",
            field=_SLICE_BYTES,
        )
    if index >= count or offset != index * slice_bytes:
        raise INCONSISTENT_SLICE(
            f"Of {count} slices of {slice_bytes} bytes none is slice {index} at {offset}.",
            field=_INDEX if index >= count else _OFFSET,
        )
    return Slice(
        uuid=fields[_UUID], index=index, count=count, slice_bytes=slice_bytes, length=length
    )
