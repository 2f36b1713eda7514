"""Slices that the service cannot join: their fields, and their refusal.

The uploaders of these slices send too little about a slice (ADR 44).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import msgspec

from servicekit.problems import ProblemError
from wharf_upload.problems import SLICES_NOT_JOINED

_TUS: Final = "/v1/uploads"
_NUMBER = re.compile(r"[0-9]{1,15}\Z")


@dataclass(frozen=True, slots=True)
class _Uploader:
    """An uploader; the service refuses its slices.

    `index` and `count` are its fields for the number of a slice and for the number of all slices.
    `total` is its field for the size of the whole file in bytes. An empty name is a field that it
    does not send. If the names are ordinary words, `with_all` lists fields: a form carries a slice
    only if all of them are present. `asks`: the uploader sends a GET before each slice, to ask
    whether the slice exists.
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
            # Ordinary words mark a slice only if all are present and are numbers.
            numbers = (self.index, self.count or self.total)
            if not all(name in fields for name in self.with_all):
                return False
            if any(number(fields, name) is None for name in numbers):
                return False
        elif not any(name and name in fields for name in (self.index, self.count)):
            return False
        return not self._is_whole(fields, size)

    def _is_whole(self, fields: Mapping[str, str], size: int) -> bool:
        count, total = number(fields, self.count), number(fields, self.total)
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
# Fields with a JSON value, and the members for the number of a slice and of all slices.
_JSON_FIELDS: Final = {
    "chunkMetadata": _Uploader("DevExtreme FileUploader", "Index", "TotalCount"),
    "metadata": _Uploader(
        "Kendo UI Upload",
        "chunkIndex",
        "totalChunks",
        with_all=("chunkIndex", "totalChunks"),
    ),
}
# Common field names in the code of pages that use no known uploader.
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
        *_JSON_FIELDS,
        *_OWN_INDEX,
        *_OWN_COUNT,
        *(name for one in _UPLOADERS for name in (one.index, one.count, one.total) if name),
    )
)
"""The fields that may mark a request as a slice."""
DISTINCT: Final = frozenset(("chunkMetadata", *_OWN_INDEX, *_OWN_COUNT)) | {
    name
    for one in _UPLOADERS
    for name in (one.index, one.count, one.total)
    if name and not one.with_all
}
"""The fields that have no other meaning; ordinary words are left out."""


def ask_for_slice(fields: Mapping[str, str]) -> bool:
    """Tell whether a GET with these fields asks whether a slice exists."""
    return any(
        all(name in fields for name in one.with_all or (one.index,))
        for one in _UPLOADERS
        if one.asks
    )


def refuse(fields: Mapping[str, str], size: int) -> None:
    """Raise the problem `slices-not-joined` for a slice that cannot be joined."""
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
    """Return the problem for a slice of this uploader; "" stands for an unknown uploader.

    `said` replaces the first sentence of the detail.
    """
    by = f" of {uploader}" if uploader else ""
    said = said or f"The request contains a slice{by}, which is only a part of a file."
    return SLICES_NOT_JOINED(
        f"{said} Let the uploader send files whole, or use tus at {_TUS}, which resumes.",
        uploader=uploader or None,
        tus=_TUS,
    )


def number(fields: Mapping[str, str], name: str) -> int | None:
    """Return the number in a field; `None` if the text is no number or `name` is empty."""
    text = fields.get(name) if name else None
    return int(text) if text is not None and _NUMBER.match(text) else None


def _members(text: str) -> Mapping[str, str]:
    """Return the members of a JSON object as texts; empty for any other value."""
    try:
        found: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: str(value) for name, value in found.items()}
