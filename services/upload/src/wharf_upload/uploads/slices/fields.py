"""The plain fields by which an uploader marks the file of a form as a slice of a larger file.

The service joins the slices of dropzone: dropzone gives each file a random identifier, and sends
the length of the whole file with every slice. Other uploaders send too little (ADR 44). The service
refuses their slices (`other_uploaders`), so that no slice becomes a separate file.
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
# Up to this number of slices, a slice may have any size. Each slice costs a request, and a parked
# slice costs a file.
_MANY: Final = 10_000
_SMALL_BYTES: Final = 1_000_000


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """One of `count` slices of a file of `length` bytes.

    Every slice except the last has `slice_bytes` bytes; the last has the rest. `uuid` is the
    uploader's name for the file.
    """

    uuid: str
    index: int
    count: int
    slice_bytes: int
    length: int

    @property
    def begin(self) -> int:
        """Return the offset of the slice in the file, in bytes."""
        return self.index * self.slice_bytes

    @property
    def size(self) -> int:
        """Return the size of the slice in bytes."""
        return min(self.slice_bytes, self.length - self.begin)


NAMES: Final = others.NAMES | frozenset(_DROPZONE)
"""The fields that may mark a form as a slice; a form without them contains no slice."""
# The fields that have no other meaning.
_DISTINCT: Final = others.DISTINCT | frozenset(_DROPZONE)


def announces_slice(fields: Mapping[str, str]) -> bool:
    """Tell whether these fields announce a slice that the service joins with others."""
    return _INDEX in fields and (others.number(fields, _COUNT) or 0) > 1


def said_in(query: str) -> dict[str, str]:
    """Return the fields in the query of an address.

    Raises the problem `inconsistent-slice` if a field occurs twice with different values.
    """
    said: dict[str, str] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if said.setdefault(name, text) != text and name in _DISTINCT:
            raise contradiction(name)
    return said


def contradiction(field: str) -> ProblemError:
    """Return the problem for a field that occurs in a request twice, with different values."""
    return INCONSISTENT_SLICE(
        f"{field} occurs twice with different values; send each field of a slice once.",
        field=field,
    )


def require_consistent(first: Mapping[str, str], last: Mapping[str, str], size: int) -> None:
    """Raise a problem if the fields of a slice occur twice with different values.

    `first` has the first value of each field, from the address or from the form; `last` has the
    last one. Raises `slices-not-joined` and `inconsistent-slice`.
    """
    for name, text in first.items():
        if name in _DISTINCT and last[name] != text:
            raise contradiction(name)
    others.refuse(first, size)


def read(fields: Mapping[str, str], size: int) -> Slice | None:
    """Return the slice in a form with one file of `size` bytes; `None` if the file is whole.

    Raises the problems `slices-not-joined` and `inconsistent-slice`.
    """
    others.refuse(fields, size)
    missing = [name for name in _DROPZONE if name not in fields]
    if len(missing) == len(_DROPZONE) or _is_whole(fields):
        return None
    if missing:
        raise others.not_joined(
            "dropzone", f"The form contains a slice of a file, but not {', '.join(missing)}."
        )
    found = _slice(fields)
    if found.size != size:
        raise INCONSISTENT_SLICE(
            f"Slice {found.index} of {found.count} has {size} bytes; the other fields state "
            f"{found.size} bytes.",
            expected_bytes=found.size,
            received_bytes=size,
        )
    return found


def asks_for_slice(query: str) -> bool:
    """Tell whether a GET asks whether a slice exists, and does not ask for the file."""
    return "hunkNumber=" in query and others.ask_for_slice(said_in(query))


def refuse_bare(query: str, size: int) -> None:
    """Raise the problem `slices-not-joined` if a body of `size` bytes without a form is a slice.

    The query of the address has the fields. Also raises `inconsistent-slice`.
    """
    said = said_in(query)
    others.refuse(said, size)
    if not _is_whole(said) and any(name in said for name in _DROPZONE):
        raise others.not_joined("dropzone")


def _is_whole(fields: Mapping[str, str]) -> bool:
    """Tell whether dropzone announces a whole file as a single slice (`forceChunking`)."""
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
            f"A file of {length} bytes does not have {count} slices of {slice_bytes} bytes. An "
            "uploader that changes files before it sends them states the size of the original.",
            field=_LENGTH,
        )
    if count > _MANY and slice_bytes < _SMALL_BYTES:
        raise INCONSISTENT_SLICE(
            f"With more than {_MANY} slices, each slice must have {_SMALL_BYTES} bytes or more; "
            f"these have {slice_bytes}.",
            field=_SLICE_BYTES,
        )
    if index >= count or offset != index * slice_bytes:
        raise INCONSISTENT_SLICE(
            f"Among {count} slices of {slice_bytes} bytes, slice {index} at byte {offset} does "
            "not exist.",
            field=_INDEX if index >= count else _OFFSET,
        )
    return Slice(
        uuid=fields[_UUID], index=index, count=count, slice_bytes=slice_bytes, length=length
    )
