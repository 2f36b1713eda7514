"""One file to store, with the rules for its size, its name and its type."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from servicekit.file_types import UNKNOWN
from servicekit.known_types import name_of
from servicekit.tickets import Ticket
from servicekit.type_patterns import essence
from wharf_upload.content_types import media_types
from wharf_upload.content_types.markup import undeclared_type
from wharf_upload.content_types.sniffing import may_become
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency, OnConflict, TicketUse
from wharf_upload.domain.files import File

_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,96}(?: *;[ -~]{0,200})?\Z"
)
# For these families, a pattern `family/*` matches only the type that the bytes have, never a type
# that the client declares. Most formats of other families, such as "message/*" and "model/*", are
# text.
_OF_BYTES = frozenset({"application", "audio", "font", "image", "text", "video", "*"})
_TEXT, _SCRIPT = "text/plain", "text/x-script"


class SizeLimit(NamedTuple):
    """The smallest of the limits of a file's size, in bytes, and its name for people."""

    bytes: int
    name: str


class UploadIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One file to store, under the rules that apply to it.

    If the service chooses another key for the file, the key begins with one of the prefixes
    `within`; `None` permits any key. `room` is the id of the file's reservation, or empty.
    """

    tenant: str
    subject: str
    bucket: str
    key: str
    policy: Policy
    largest: SizeLimit
    within: tuple[str, ...] | None = None
    declared_type: str | None = None
    digests: Mapping[str, bytes] = {}
    condition: WriteCondition | None = None
    on_conflict: OnConflict = "replace"
    metadata: dict[str, str] = {}
    idempotency: Idempotency | None = None
    ticket: Ticket | None = None
    use: TicketUse | None = None
    room: str = ""

    @property
    def filename(self) -> str:
        """Return the last segment of the key."""
        return self.key.rpartition("/")[2]


class TypeNotAllowed(ValueError):
    """The bucket or the ticket does not accept the type of the bytes, or the name does not fit."""

    def __init__(
        self,
        media_type: str,
        allowed: tuple[str, ...],
        filename: str | None = None,
        *,
        whose: str = "bucket",
        claimed: bool = False,
    ) -> None:
        """Build the message; with `claimed`, the client declares `media_type`.

        With a `filename`, the message says that the name does not fit the type.
        """
        if filename is None:
            text = f"The bytes are {media_type}; this {whose} takes {', '.join(allowed)}."
        else:
            said = "The client declares" if claimed else "The bytes are"
            text = f"{said} {media_type}, which does not fit the name {filename}."
        super().__init__(text)
        self.media_type, self.allowed = media_type, allowed


class ExtensionNotAllowed(ValueError):
    """The name has an extension that the bucket does not accept, or no extension."""

    def __init__(self, filename: str, allowed: tuple[str, ...]) -> None:
        shown = textwrap.shorten(f".{', .'.join(allowed)}", 300, placeholder=" \u2026")
        super().__init__(f"This bucket takes only names that end with {shown}.")
        self.filename, self.allowed = filename, allowed


class TooLarge(ValueError):
    """The file is larger than a limit (bytes); `limit` names it."""

    def __init__(self, limit: str, limit_bytes: int) -> None:
        super().__init__(f"The file is larger than the {limit} of {limit_bytes} bytes.")
        self.limit, self.limit_bytes = limit, limit_bytes


def declared_type(field: str | None) -> str | None:
    """Return a Content-Type if it is a valid media type, else `None`."""
    return field if field and _MEDIA_TYPE.match(field) else None


def smallest(*limits: tuple[str, int | None]) -> SizeLimit:
    """Return the smallest of several limits (name, bytes); of equal limits, the first.

    A limit of `None` is no limit; at least one limit must have a number.
    """
    found = [SizeLimit(size, name) for name, size in limits if size is not None]
    return min(found, key=lambda limit: limit.bytes)


def check_size(size: int, largest: SizeLimit) -> None:
    """Raise `TooLarge` if the file is larger than `largest`."""
    if size > largest.bytes:
        raise TooLarge(largest.name, largest.bytes)


def check_name(filename: str, policy: Policy) -> None:
    """Raise `ExtensionNotAllowed` if the policy does not permit the name's extension.

    Case is ignored. A name that only begins with a dot has no extension.
    """
    allowed = policy.allowed_extensions
    if allowed and not any(filename[1:].lower().endswith(f".{extension}") for extension in allowed):
        raise ExtensionNotAllowed(filename, allowed)


def check_type(
    sniffed: str,
    filename: str,
    policy: Policy,
    ticket: Ticket | None = None,
    *,
    declared: str | None = None,
    head: bytes = b"",
) -> str:
    """Return the type that the file gets; raises `TypeNotAllowed`.

    The result is the type of the bytes, or a more specific type that the client declares or that
    the name's extension claims; the policy and the ticket must permit the type. If types or
    extensions are limited, the extension must not belong to another type. For XML without an XML
    declaration, the function also inspects `head`, if the client declares XML.
    """
    served = served_type(sniffed, declared)
    narrower = ticket.allowed_types if ticket is not None else ()
    if not (policy.allowed_types or narrower or policy.allowed_extensions):
        return served
    lists = (policy.allowed_types, narrower)
    if _takes(lists, *_kinds(sniffed)):
        if not _may_be_called(filename, sniffed):
            raise TypeNotAllowed(sniffed, policy.allowed_types, filename)
        return served
    misnamed = None
    for found in dict.fromkeys((sniffed, _as_xml(sniffed, head))):
        for one in media_types.claims(found, declared, filename):
            if _takes(lists, *_kinds(sniffed), claimed=one):
                if _may_be_called(filename, one, found):
                    return one
                misnamed = misnamed or one
    if misnamed is not None:
        raise TypeNotAllowed(misnamed, policy.allowed_types, filename, claimed=True)
    raise _not_allowed(served, policy.allowed_types, narrower, sniffed)


def check_empty(filename: str, policy: Policy, ticket: Ticket | None = None) -> None:
    """Raise `TypeNotAllowed` for an empty file if its extension is not permitted.

    An empty file has no type, so its extension decides.
    """
    claimed = media_types.types_of_name(filename) or {UNKNOWN}
    narrower = ticket.allowed_types if ticket is not None else ()
    lists = (policy.allowed_types, narrower)
    if not any(_takes(lists, one, media_types.found_type(one)) for one in claimed):
        raise _not_allowed(UNKNOWN, policy.allowed_types, narrower, UNKNOWN)


def check_early(
    head: bytes,
    filename: str,
    policy: Policy,
    ticket: Ticket | None,
    declared: str | None,
) -> None:
    """Raise `TypeNotAllowed` if no type that a file with this `head` may get is permitted.

    The check runs before the whole file has arrived.
    """
    refusals: list[TypeNotAllowed] = []
    for one in may_become(head):
        try:
            check_type(one, filename, policy, ticket, declared=declared, head=head)
        except TypeNotAllowed as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]  # The refusal for the type that the bytes have so far.


def check_rename(media_type: str, size: int, filename: str, policy: Policy) -> None:
    """Raise the errors of `check_name` and `check_type` for a stored file with a new name."""
    check_name(filename, policy)
    if size and (policy.allowed_types or policy.allowed_extensions):
        # The stored type may be more specific than the type of the bytes. If the policy permits the
        # bytes only because of the specific type, the name must fit that type, too.
        found = media_types.found_type(media_type)
        if not _may_be_called(filename, found):
            raise TypeNotAllowed(found, policy.allowed_types, filename)
        taken = _takes((policy.allowed_types,), *_kinds(found))
        if not (taken or _may_be_called(filename, media_type)):
            raise TypeNotAllowed(media_type, policy.allowed_types, filename, claimed=True)
    elif not size:
        check_empty(filename, policy)


def type_elsewhere(file: File, filename: str, policy: Policy) -> str:
    """Return the type of a stored file with this name in a bucket with another policy.

    Raises `ExtensionNotAllowed` and `TypeNotAllowed`, as for an upload of the file.
    """
    check_name(filename, policy)
    recorded = file.media_type
    if not file.size:
        check_empty(filename, policy)
        return recorded
    found = media_types.found_type(recorded)
    # A client's declaration may have refined the type of the bytes; the refined type stays if the
    # policy permits it.
    declared = file.declared_type if found == recorded else recorded
    taken = check_type(found, filename, policy, declared=declared)
    return recorded if _takes((policy.allowed_types,), found) else taken


def served_type(sniffed: str, declared: str | None) -> str:
    """Return the type with which the file is served.

    The result is the type of the bytes or, for plain text, the more specific text type that the
    client declares.
    """
    if sniffed == "text/plain" and declared is not None:
        return _refinement(declared) or sniffed
    return sniffed or UNKNOWN


@lru_cache(maxsize=1024)
def _refinement(declared: str) -> str | None:
    """Return the text type that a Content-Type declares; `None` if it remains plain text."""
    refined = name_of(essence(declared))
    return refined if refined in media_types.REFINEMENTS else None


def _may_be_called(filename: str, *types: str) -> bool:
    """Tell whether the extension of a name contradicts none of the types."""
    return all(media_types.extension_agrees(filename, each) is not False for each in types)


def _kinds(sniffed: str) -> tuple[str, ...]:
    """Return the types that the policy may name for these bytes: a script also counts as text."""
    return (_SCRIPT, _TEXT) if sniffed == _SCRIPT else (sniffed,)


def _as_xml(sniffed: str, head: bytes) -> str:
    """Return the type of the bytes for a client that declares XML; no XML declaration is needed."""
    return (undeclared_type(head) or sniffed) if sniffed in {_TEXT, "text/html"} else sniffed


def _takes(lists: tuple[tuple[str, ...], ...], *types: str, claimed: str | None = None) -> bool:
    """Tell whether each list permits one of the types, or the type that the client claims.

    An empty list permits all types.
    """
    return all(
        not patterns
        or any(media_types.matches(pattern, one) for pattern in patterns for one in types)
        or (claimed is not None and any(_takes_claim(pattern, claimed) for pattern in patterns))
        for patterns in lists
    )


def _takes_claim(pattern: str, claimed: str) -> bool:
    family, _, kind = pattern.partition("/")
    of_bytes = kind == "*" and family.lower() in _OF_BYTES
    believed = not of_bytes or claimed in media_types.REFINEMENTS
    return believed and media_types.matches(pattern, claimed)


def _not_allowed(
    served: str, allowed: tuple[str, ...], narrower: tuple[str, ...], sniffed: str
) -> TypeNotAllowed:
    """Return the refusal by the bucket or, if the bucket permits the file, by the ticket."""
    if _takes((allowed,), served, sniffed):
        return TypeNotAllowed(served, narrower, whose="ticket")
    return TypeNotAllowed(served, allowed)
