"""Buckets and their policies."""

from __future__ import annotations

import msgspec

# Buckets on a page, at most.
LARGEST_PAGE = 1000
DEFAULT_BUCKET = "default"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket takes. `None` and empty mean no rule beyond the service's own.

    A newer release may have stored members that this one does not know: they are not read (ADR 34).
    """

    public: bool = False
    max_file_bytes: int | None = None
    allowed_types: tuple[str, ...] = ()
    # In lower case, without the leading dot; "tar.gz" is one.
    allowed_extensions: tuple[str, ...] = ()
    expire_after_seconds: int | None = None
    # As browsers send them in `Origin`.
    cors_origins: tuple[str, ...] = ()


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and its policy."""

    tenant: str
    name: str
    policy: Policy
    created_at: int
