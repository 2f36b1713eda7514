"""The rules for upload tickets, and the functions that parse, check and narrow tickets.

A ticket never allows more than the token that it is made from (security.md row 77).
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from servicekit import keys
from servicekit.tickets import Method, Ticket
from servicekit.type_patterns import can_match, covers, is_pattern

# The largest accepted number. It fits into the numbers of browsers and databases. The admission
# checks sizes and counts again.
_MOST = 1 << 50
_Count = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
_MAX_REDIRECT_CHARACTERS = 2000


class TicketError(ValueError):
    """The ticket cannot be issued; the message names the fault and the allowed values."""


class TicketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameter `ticket`: the rules of the requested ticket.

    A rule that is left out does not narrow the ticket. One exception: a first ticket has to name a
    `key` or a `prefix`.
    """

    bucket: str
    key: str | None = None
    prefix: str | None = None
    methods: Annotated[tuple[Method, ...], msgspec.Meta(min_length=1, max_length=2)] | None = None
    max_file_bytes: _Count | None = None
    allowed_types: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    max_files: _Count | None = None
    redirect: Annotated[tuple[str, ...], msgspec.Meta(max_length=20)] | None = None
    create_only: bool = False


def read(text: str) -> TicketRequest:
    """Parse the JSON of the parameter; raise `TicketError`."""
    try:
        return msgspec.json.decode(text, type=TicketRequest)
    except msgspec.ValidationError as error:
        raise TicketError(f"The ticket is not acceptable: {error}.") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise TicketError("The ticket is not JSON.") from None


def ticket(wanted: TicketRequest, held: Ticket | None) -> Ticket:
    """Return the requested ticket.

    Raise `TicketError` if it is not valid, or if it is wider than the ticket `held`.
    """
    given = _checked(wanted, held)
    return given if held is None else _within(given, wanted, held)


def _checked(wanted: TicketRequest, held: Ticket | None) -> Ticket:
    if wanted.key is not None and wanted.prefix is not None:
        raise TicketError("The ticket names a key and a prefix; send one of them.")
    try:
        bucket = keys.bucket_name(wanted.bucket)
        key = None if wanted.key is None else keys.object_key_text(wanted.key)
        prefix = None if wanted.prefix is None else keys.prefix(wanted.prefix)
    except keys.InvalidName as error:
        raise TicketError(str(error)) from None
    if key is None and prefix is None:
        if held is None:
            raise TicketError('Send a key or a prefix; the prefix "" means the whole bucket.')
        key, prefix = held.key, held.prefix
    for pattern in wanted.allowed_types:
        if not is_pattern(pattern):
            raise TicketError(
                f"{pattern[:100]!a} is no media type; send types like image/png or image/*."
            )
    if wanted.allowed_types and not any(map(can_match, wanted.allowed_types)):
        raise TicketError(
            f"No file is ever recognized as {' or '.join(wanted.allowed_types)[:200]}; "
            "scripts and style sheets are recognized as text/plain."
        )
    for url in wanted.redirect or ():
        _check_redirect(url)
    return Ticket(
        bucket=bucket,
        key=key,
        prefix=prefix,
        methods=("PUT", "POST") if wanted.methods is None else _ordered(wanted.methods),
        max_file_bytes=wanted.max_file_bytes,
        allowed_types=tuple(dict.fromkeys(wanted.allowed_types)),
        max_files=wanted.max_files,
        redirect=tuple(dict.fromkeys(wanted.redirect or ())),
        create_only=wanted.create_only,
    )


def _within(given: Ticket, wanted: TicketRequest, held: Ticket) -> Ticket:
    """Return the new ticket; rules that it leaves out are taken from the ticket `held`.

    Raise `TicketError` if the new ticket would be wider.
    """
    if given.bucket != held.bucket:
        raise TicketError(
            f"The ticket is for the bucket {held.bucket}; it cannot name another bucket."
        )
    _check_place(given, held)
    methods = held.methods if wanted.methods is None else given.methods
    types = given.allowed_types or held.allowed_types
    redirect = held.redirect if wanted.redirect is None else given.redirect
    if not set(methods) <= set(held.methods):
        raise TicketError(f"The ticket allows {' and '.join(held.methods)} only.")
    if held.allowed_types and not all(
        any(covers(wider, pattern) for wider in held.allowed_types) for pattern in types
    ):
        raise TicketError(f"The ticket allows the types {', '.join(held.allowed_types)} only.")
    if not set(redirect) <= set(held.redirect):
        raise TicketError("The ticket allows only the redirects that it names.")
    return msgspec.structs.replace(
        given,
        methods=methods,
        allowed_types=types,
        redirect=redirect,
        max_file_bytes=_smaller("max_file_bytes", given.max_file_bytes, held.max_file_bytes),
        max_files=_smaller("max_files", given.max_files, held.max_files),
        # A ticket for a prefix cannot replace files, so a ticket for one key that is made from it
        # cannot replace files either.
        create_only=given.create_only
        or held.create_only
        or (held.prefix is not None and given.key is not None),
    )


def _check_place(given: Ticket, held: Ticket) -> None:
    if held.key is not None:
        if given.key != held.key:
            raise TicketError("The ticket is for one key only; leave key and prefix out.")
        return
    place = given.prefix if given.key is None else given.key
    if not (place or "").startswith(held.prefix or ""):
        raise TicketError(f"The ticket is for keys that begin with {held.prefix} only.")


def _smaller(name: str, given: int | None, held: int | None) -> int | None:
    if given is None or held is None:
        return held if given is None else given
    if given > held:
        raise TicketError(f"The ticket's {name} is {held}; it cannot be larger.")
    return given


def _ordered(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    every: tuple[Method, ...] = ("PUT", "POST")
    return tuple(method for method in every if method in methods)


def _check_redirect(url: str) -> None:
    """Raise `TicketError` unless the URL is absolute, http or https, and safe in `Location`.

    The URL cannot have a user or a fragment.
    """
    wrong = TicketError(
        f"{url[:100]!a} cannot be redirected to; send an absolute http or https URL of "
        f"printable ASCII, without user and fragment, of at most {_MAX_REDIRECT_CHARACTERS} "
        "characters."
    )
    printable = all("!" <= character <= "~" and character != "\\" for character in url)
    if not printable or len(url) > _MAX_REDIRECT_CHARACTERS or "#" in url:
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise wrong
    if port == 0:
        raise wrong
