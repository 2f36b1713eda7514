"""Policies of buckets: their form in requests, their validation, and their stored form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from wharf_upload.content_types import media_types
from wharf_upload.domain.buckets import Policy

_MAX_SECONDS = 100 * 366 * 24 * 3600
_EXTENSION = re.compile(r"[a-z0-9][a-z0-9_+-]{0,31}(?:\.[a-z0-9][a-z0-9_+-]{0,31}){0,3}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BadPolicy(ValueError):
    """A policy is invalid; the message names the field, the value and the permitted values."""


class BucketPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of the bucket. A rule that is left out sets no limit beyond the tenant's limits."""

    public: Annotated[
        bool, msgspec.Meta(description="Whether anyone may read its files without credentials.")
    ] = False
    max_file_bytes: (
        Annotated[int, msgspec.Meta(ge=1, le=1 << 50, description="Largest file, in bytes.")] | None
    ) = None
    allowed_types: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            max_length=100,
            description="Media types or `type/*`, compared with the type of the bytes. Where the "
            "bytes do not identify a listed type, as with `text/csv`, the declared type or "
            "the extension counts. For an empty file, the extension counts.",
        ),
    ] = ()
    allowed_extensions: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            max_length=100,
            description="Extensions of names, e.g. `jpg` or `tar.gz`; case is ignored. The "
            "type of the bytes must match the extension.",
        ),
    ] = ()
    expire_after_seconds: (
        Annotated[
            int,
            msgspec.Meta(
                ge=1, le=_MAX_SECONDS, description="How long each new file exists, in seconds."
            ),
        ]
        | None
    ) = None
    cors_origins: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            max_length=100,
            description="Origins whose pages may use this bucket, e.g. `https://app.example`; "
            "`*` is every origin.",
        ),
    ] = ()


def checked(wanted: BucketPolicy) -> Policy:
    """Return the policy in its stored form; raises `BadPolicy`."""
    for pattern in wanted.allowed_types:
        if not media_types.is_pattern(pattern):
            raise BadPolicy(f"allowed_types: {pattern!r} is neither a media type nor `type/*`.")
    if wanted.allowed_types and not any(map(media_types.can_match, wanted.allowed_types)):
        raise BadPolicy(
            f"allowed_types: the service never detects {' or '.join(wanted.allowed_types)[:200]}; "
            "docs/types.md lists the types. Scripts and style sheets are text/plain."
        )
    return Policy(
        public=wanted.public,
        max_file_bytes=wanted.max_file_bytes,
        allowed_types=wanted.allowed_types,
        allowed_extensions=_unique(extension(text) for text in wanted.allowed_extensions),
        expire_after_seconds=wanted.expire_after_seconds,
        cors_origins=_unique(origin(text) for text in wanted.cors_origins),
    )


def extension(text: str) -> str:
    """Return an extension in its stored form: ".JPG" becomes "jpg"; raises `BadPolicy`."""
    kept = text.lower().removeprefix(".")
    if not text.isascii() or not _EXTENSION.fullmatch(kept):
        raise BadPolicy(
            f"allowed_extensions: {text!r} is not an extension; write it like `jpg` or `tar.gz`."
        )
    return kept


def origin(text: str) -> str:
    """Return an origin in the form of browsers (RFC 6454 section 6.2): lower case, no default port.

    `*` is every origin. The value alone reveals no files: a browser adds no token to a request
    unless the page's script does, so the page must already have a token or a link. Raises
    `BadPolicy`, even for `null`, because any page can have this origin.
    """
    if text == "*":
        return text
    wrong = BadPolicy(
        f"cors_origins: {text!r} is not an origin; write only scheme, host and port, like "
        "`https://app.example` or `http://localhost:3000`."
    )
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme.lower(), parts.netloc.lower(), parts.port
    except ValueError:
        raise wrong from None
    host = host.removesuffix(f":{port}")
    # The parts must be all of the text: no user, path or query, and no character that urlsplit
    # drops.
    whole = f"{scheme}://{parts.netloc}"
    if scheme not in _DEFAULT_PORTS or len(text) > 255 or text.lower() != whole.lower():
        raise wrong
    if not (_HOST.fullmatch(host) or _IPV6.fullmatch(host)):
        raise wrong
    return f"{scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}")


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
