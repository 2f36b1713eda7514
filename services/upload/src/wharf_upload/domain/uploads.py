"""What a client wants to upload, as its request line and header fields say it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from wharf_upload.domain import media_types
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.records.base import Idempotency, OnConflict, Policy

_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,96}(?: *;[ -~]{0,200})?\Z"
)
_UNKNOWN = "application/octet-stream"
# The bytes of these are plain text to a sniffer; the client's word refines, and makes none active.
_REFINEMENTS = frozenset(
    (
        "text/csv",
        "text/markdown",
        "text/tab-separated-values",
        "text/calendar",
        "text/vcard",
        "application/json",
        "application/x-ndjson",
        "application/yaml",
        "application/toml",
    )
)


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One file to come."""

    tenant: str
    subject: str
    bucket: str
    key: str
    policy: Policy
    declared_type: str | None = None
    digests: Mapping[str, bytes] = {}
    condition: WriteCondition | None = None
    on_conflict: OnConflict = "replace"
    idempotency: Idempotency | None = None

    @property
    def filename(self) -> str:
        """The key's last segment."""
        return self.key.rpartition("/")[2]


class TypeNotAllowed(ValueError):
    """The bytes are of a type that the bucket does not take."""

    def __init__(
        self, media_type: str, allowed: tuple[str, ...], filename: str | None = None
    ) -> None:
        if filename is None:
            text = f"The bytes are {media_type}; this bucket takes {', '.join(allowed)}."
        else:
            text = f"The bytes are {media_type}, which the name {filename} does not say."
        super().__init__(text)
        self.media_type, self.allowed = media_type, allowed


class TooLarge(ValueError):
    """The file is larger than a limit (bytes); `limit` names it."""

    def __init__(self, limit: str, limit_bytes: int) -> None:
        super().__init__(f"The file is larger than the {limit} of {limit_bytes} bytes.")
        self.limit, self.limit_bytes = limit, limit_bytes


def declared_type(field: str | None) -> str | None:
    """A Content-Type as it may be kept; what is no media type is as good as none."""
    return field if field and _MEDIA_TYPE.match(field) else None


def check_size(size: int, policy: Policy, max_file_bytes: int) -> None:
    """Raises `TooLarge`."""
    if policy.max_file_bytes is not None and size > policy.max_file_bytes <= max_file_bytes:
        raise TooLarge("bucket's file limit", policy.max_file_bytes)
    if size > max_file_bytes:
        raise TooLarge("service's file limit", max_file_bytes)


def check_type(media_type: str, filename: str, policy: Policy) -> None:
    """Raises `TypeNotAllowed`; the type is what the bytes are, never what the client says.

    Where types are limited, the name's extension must not promise another one either.
    """
    if not policy.allowed_types:
        return
    if not any(media_types.matches(pattern, media_type) for pattern in policy.allowed_types):
        raise TypeNotAllowed(media_type, policy.allowed_types)
    if media_types.extension_agrees(filename, media_type) is False:
        raise TypeNotAllowed(media_type, policy.allowed_types, filename)


def served_type(sniffed: str, declared: str | None) -> str:
    """The type that a file is served with: the bytes', refined among plain texts."""
    if sniffed == "text/plain" and declared is not None:
        essence = declared.partition(";")[0].strip().lower()
        if essence in _REFINEMENTS:
            return essence
    return sniffed or _UNKNOWN
