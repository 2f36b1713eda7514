"""The plain fields by which uploaders say that the file of a form is a slice of a larger one.

dropzone's slices are put together: it gives each file a random identifier, and says with every
slice how long the whole file is. What others say does not suffice (ADR 44), and their slices are
refused, so that none becomes a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from servicekit.problems import ProblemError
from wharf_upload.problems import INCONSISTENT_SLICE, SLICES_NOT_JOINED

TUS: Final = "/v1/uploads"
_UUID, _INDEX, _COUNT = "dzuuid", "dzchunkindex", "dztotalchunkcount"
_SLICE_BYTES, _LENGTH, _OFFSET = "dzchunksize", "dztotalfilesize", "dzchunkbyteoffset"
_DROPZONE = (_UUID, _INDEX, _COUNT, _SLICE_BYTES, _LENGTH, _OFFSET)
_NUMBER = re.compile(r"[0-9]{1,15}\Z")
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


@dataclass(frozen=True, slots=True)
class _Uploader:
    """An uploader whose slices are refused.

    `index` and `count` are its fields for the number of a slice and of all slices, `total` for the
    bytes of the whole file; an empty name is a field that it does not send. `with_all`: the names
    are ordinary words, and mean a slice only together with these. `asks`: with a GET, whether a
    slice is there, before it is sent.
    """

    name: str
    index: str
    count: str = ""
    total: str = ""
    with_all: tuple[str, ...] = ()
    asks: bool = False

    def sends_slice(self, fields: Mapping[str, str], size: int) -> bool:
        """Tell whether a form with one file of `size` bytes and these fields is a slice."""
        if self.with_all:
            # Words that mean something else elsewhere, unless all are there, and numbers.
            numbers = (self.index, self.count or self.total)
            if not all(name in fields for name in self.with_all):
                return False
            if any(_number(fields, name) is None for name in numbers):
                return False
        elif not any(name and name in fields for name in (self.index, self.count)):
            return False
        return not self._is_whole(fields, size)

    def _is_whole(self, fields: Mapping[str, str], size: int) -> bool:
        count, total = _number(fields, self.count), _number(fields, self.total)
        return (count is not None and count <= 1) or (total is not None and total <= size)


_UPLOADERS: Final = (
    _Uploader("Plupload", "chunk", "chunks", with_all=("chunk", "chunks")),
    # Plupload with `send_chunk_number: false`.
    _Uploader("Plupload", "offset", total="total", with_all=("name", "offset", "total")),
    _Uploader("Resumable.js", "resumableChunkNumber", "resumableTotalChunks", asks=True),
    _Uploader("flow.js", "flowChunkNumber", "flowTotalChunks", asks=True),
    _Uploader(
        "simple-uploader",
        "chunkNumber",
        "totalChunks",
        with_all=("chunkNumber", "totalChunks"),
        asks=True,
    ),
    _Uploader("Fine Uploader", "qqpartindex", "qqtotalparts"),
    _Uploader("ng-file-upload", "_chunkNumber", total="_totalSize"),
    _Uploader("Syncfusion Uploader", "chunk-index", "total-chunk"),
)
# Fields whose value is JSON, with the members for the number of a slice and of all slices.
_JSON_FIELDS: Final = {
    "chunkMetadata": _Uploader("DevExtreme FileUploader", "Index", "TotalCount"),
    "metadata": _Uploader(
        "Kendo UI Upload",
        "chunkIndex",
        "totalChunks",
        with_all=("chunkIndex", "totalChunks"),
    ),
}
# What people call the fields of an uploader of their own.
_OWN_INDEX: Final = frozenset(
    f"chunk{word}"
    for word in (
        *("Index", "_index", "index", "Idx", "_idx"),
        *("Number", "_number", "-number", "number", "Num", "_num"),
    )
) | {"currentChunk", "current_chunk"}
_OWN_COUNT: Final = frozenset(
    "".join(parts) for parts in product(("total", "total_", "total-"), ("Chunks", "chunks"))
) | {"chunkCount", "chunk_count", "chunkcount", "totalChunkCount", "total_chunk_count"}

NAMES: Final = frozenset(
    (
        *_DROPZONE,
        *_JSON_FIELDS,
        *_OWN_INDEX,
        *_OWN_COUNT,
        *(name for one in _UPLOADERS for name in (one.index, one.count, one.total) if name),
    )
)
"""The fields that may say that a form holds a slice; a form without them holds none."""
# Those that mean nothing else: all but ordinary words, which need others beside them.
_DISTINCT: Final = frozenset((*_DROPZONE, "chunkMetadata", *_OWN_INDEX, *_OWN_COUNT)) | {
    name
    for one in _UPLOADERS
    for name in (one.index, one.count, one.total)
    if name and not one.with_all
}


def announces_slice(fields: Mapping[str, str]) -> bool:
    """Tell whether these fields announce a slice that will be put together with others."""
    return _INDEX in fields and (_number(fields, _COUNT) or 0) > 1


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
    refuse_others(first, size)


def read(fields: Mapping[str, str], size: int) -> Slice | None:
    """Return which slice a form with one file of `size` bytes holds; `None`: the file is whole.

    Raises the problems `slices-not-joined` and `inconsistent-slice`.
    """
    refuse_others(fields, size)
    missing = [name for name in _DROPZONE if name not in fields]
    if len(missing) == len(_DROPZONE) or _is_whole(fields):
        return None
    if missing:
        raise not_joined(
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
    said = said_in(query) if "hunkNumber=" in query else {}
    return any(
        all(name in said for name in one.with_all or (one.index,)) for one in _UPLOADERS if one.asks
    )


def refuse_bare(query: str, size: int) -> None:
    """Raise the problem `slices-not-joined` for a body of `size` bytes that is a slice.

    It comes without a form, and the query of its address says so. Raises `inconsistent-slice`, too.
    """
    said = said_in(query)
    refuse_others(said, size)
    if not _is_whole(said) and any(name in said for name in _DROPZONE):
        raise not_joined("dropzone")


def refuse_others(fields: Mapping[str, str], size: int) -> None:
    """Raise the problem `slices-not-joined` for a slice that cannot be put together."""
    for name, uploader in _JSON_FIELDS.items():
        if name in fields and uploader.sends_slice(_members(fields[name]), size):
            raise not_joined(uploader.name)
    for uploader in _UPLOADERS:
        if uploader.sends_slice(fields, size):
            raise not_joined(uploader.name)
    index = next((name for name in fields if name in _OWN_INDEX), "")
    count = next((name for name in fields if name in _OWN_COUNT), "")
    if (index or count) and _Uploader("", index, count).sends_slice(fields, size):
        raise not_joined("")


def not_joined(uploader: str, said: str = "") -> ProblemError:
    """Return the problem for a slice of this uploader, "" for one that is not known.

    `said` is what is wrong with the slice, where it is more than that.
    """
    by = f" of {uploader}" if uploader else ""
    said = said or f"The request brings a slice{by}, which is only a part of a file."
    return SLICES_NOT_JOINED(
        f"{said} Let the uploader send files whole, or use tus at {TUS}, which resumes.",
        uploader=uploader or None,
        tus=TUS,
    )


def _is_whole(fields: Mapping[str, str]) -> bool:
    """Whether dropzone says that there is one slice only (`forceChunking`)."""
    count = _number(fields, _COUNT)
    return count is not None and count <= 1 and fields.get(_INDEX, "0") == "0"


def _slice(fields: Mapping[str, str]) -> Slice:
    numbers = {name: _number(fields, name) for name in _DROPZONE[1:]}
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


def _number(fields: Mapping[str, str], name: str) -> int | None:
    """The number in a field; `None` for none, and for a field without a name."""
    text = fields.get(name) if name else None
    return int(text) if text is not None and _NUMBER.match(text) else None


def _members(text: str) -> Mapping[str, str]:
    """The members of a JSON object as texts; none for anything else."""
    try:
        found: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: str(value) for name, value in found.items()}
