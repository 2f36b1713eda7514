"""What a client wants to upload, as its request line and header fields say it."""

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
# Families that take what the bytes are, never a client's word. Of others, such as "message/*" and
# "model/*", most formats are text.
_OF_BYTES = frozenset({"application", "audio", "font", "image", "text", "video", "*"})
_TEXT, _SCRIPT = "text/plain", "text/x-script"


class SizeLimit(NamedTuple):
    """The smallest of the limits that hold for a file, in bytes, and its name for people."""

    bytes: int
    name: str


class UploadIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One file to come. A key that is chosen for it begins with one of the prefixes `within`, or
    with anything where there are none. `room` is the id of what is reserved for it, or empty.
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
        """The key's last segment."""
        return self.key.rpartition("/")[2]


class TypeNotAllowed(ValueError):
    """The bytes are of a type that the bucket, or the ticket, does not take."""

    def __init__(
        self,
        media_type: str,
        allowed: tuple[str, ...],
        filename: str | None = None,
        *,
        whose: str = "bucket",
        claimed: bool = False,
    ) -> None:
        """`claimed`: it is the client that says `media_type`; `filename` says something else."""
        if filename is None:
            text = f"The bytes are {media_type}; this {whose} takes {', '.join(allowed)}."
        else:
            said = "The client says" if claimed else "The bytes are"
            text = f"{said} {media_type}, which the name {filename} does not say."
        super().__init__(text)
        self.media_type, self.allowed = media_type, allowed


class ExtensionNotAllowed(ValueError):
    """The name has an extension that the bucket does not take, or none."""

    def __init__(self, filename: str, allowed: tuple[str, ...]) -> None:
        shown = textwrap.shorten(f".{', .'.join(allowed)}", 300, placeholder=" \u2026")
        super().__init__(f"This bucket takes names that end with {shown} only.")
        self.filename, self.allowed = filename, allowed


class TooLarge(ValueError):
    """The file is larger than a limit (bytes); `limit` names it."""

    def __init__(self, limit: str, limit_bytes: int) -> None:
        super().__init__(f"The file is larger than the {limit} of {limit_bytes} bytes.")
        self.limit, self.limit_bytes = limit, limit_bytes


def declared_type(field: str | None) -> str | None:
    """A Content-Type as it may be kept; what is no media type is as good as none."""
    return field if field and _MEDIA_TYPE.match(field) else None


def smallest(*limits: tuple[str, int | None]) -> SizeLimit:
    """The limit to name, of several (name, bytes), the first one where two are equal; `None` is no
    limit, and one at least has to be one.
    """
    found = [SizeLimit(size, name) for name, size in limits if size is not None]
    return min(found, key=lambda limit: limit.bytes)


def check_size(size: int, largest: SizeLimit) -> None:
    """Raises `TooLarge`."""
    if size > largest.bytes:
        raise TooLarge(largest.name, largest.bytes)


def check_name(filename: str, policy: Policy) -> None:
    """Raises `ExtensionNotAllowed`; case does not count, and a name that begins with the dot has no
    extension.
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

    It is what the bytes are, or a kind of it that the client's word names: as which one the policy
    and the ticket take it. Where types or extensions are limited, the name's extension must not
    promise another type. XML without a declaration is found in `head`, if it is asked for.
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
    """Raises `TypeNotAllowed` for an empty file: it has no type, so its extension decides."""
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
    """Raises `TypeNotAllowed` for a file of which `head` has come when none of the types that it
    may get is allowed.
    """
    refusals: list[TypeNotAllowed] = []
    for one in may_become(head):
        try:
            check_type(one, filename, policy, ticket, declared=declared, head=head)
        except TypeNotAllowed as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]  # of what the bytes are so far


def check_rename(media_type: str, size: int, filename: str, policy: Policy) -> None:
    """Raises what `check_name` and `check_type` raise for a stored file that gets another name."""
    check_name(filename, policy)
    if size and (policy.allowed_types or policy.allowed_extensions):
        # Its type may have been refined; the bytes are what they were. Where the policy takes these
        # as the refined type only, the name has to fit it, too.
        found = media_types.found_type(media_type)
        if not _may_be_called(filename, found):
            raise TypeNotAllowed(found, policy.allowed_types, filename)
        taken = _takes((policy.allowed_types,), *_kinds(found))
        if not (taken or _may_be_called(filename, media_type)):
            raise TypeNotAllowed(media_type, policy.allowed_types, filename, claimed=True)
    elif not size:
        check_empty(filename, policy)


def type_elsewhere(file: File, filename: str, policy: Policy) -> str:
    """Return the type that a stored file has under this name in a bucket with another policy.

    Raises `ExtensionNotAllowed` and `TypeNotAllowed`, as for an upload of the file.
    """
    check_name(filename, policy)
    recorded = file.media_type
    if not file.size:
        check_empty(filename, policy)
        return recorded
    found = media_types.found_type(recorded)
    # What its bytes are may have been refined by a client's word, which stays if it can.
    declared = file.declared_type if found == recorded else recorded
    taken = check_type(found, filename, policy, declared=declared)
    return recorded if _takes((policy.allowed_types,), found) else taken


def served_type(sniffed: str, declared: str | None) -> str:
    """The type that a file is served with: the bytes', refined among plain texts."""
    if sniffed == "text/plain" and declared is not None:
        return _refinement(declared) or sniffed
    return sniffed or UNKNOWN


@lru_cache(maxsize=1024)
def _refinement(declared: str) -> str | None:
    """Return the kind of text that a Content-Type names; `None` for one that stays plain text."""
    refined = name_of(essence(declared))
    return refined if refined in media_types.REFINEMENTS else None


def _may_be_called(filename: str, *types: str) -> bool:
    """Tell whether the extension of a name fits each of the types."""
    return all(media_types.extension_agrees(filename, each) is not False for each in types)


def _kinds(sniffed: str) -> tuple[str, ...]:
    """Return as what bytes are taken: a script is a text, too."""
    return (_SCRIPT, _TEXT) if sniffed == _SCRIPT else (sniffed,)


def _as_xml(sniffed: str, head: bytes) -> str:
    """Return what the bytes are to a client that says they are XML: it needs no declaration."""
    return (undeclared_type(head) or sniffed) if sniffed in {_TEXT, "text/html"} else sniffed


def _takes(lists: tuple[tuple[str, ...], ...], *types: str, claimed: str | None = None) -> bool:
    """Tell whether each list is empty or has a pattern for one of the types, or for what the client
    claims.
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
    """Return the refusal of the bucket, or of the ticket when the bucket takes the file."""
    if _takes((allowed,), served, sniffed):
        return TypeNotAllowed(served, narrower, whose="ticket")
    return TypeNotAllowed(served, allowed)
