"""Buckets and their policies."""

from __future__ import annotations

import msgspec

# The largest number of buckets on a page.
LARGEST_PAGE = 1000
DEFAULT_BUCKET = "default"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a bucket. `None` and empty values add no rule to those of the service.

    A newer release may have stored members that this release does not know; this release ignores
    them (ADR 34).
    """

    public: bool = False
    max_file_bytes: int | None = None
    allowed_types: tuple[str, ...] = ()
    # In lower case, without the leading dot; "tar.gz" is one extension.
    allowed_extensions: tuple[str, ...] = ()
    expire_after_seconds: int | None = None
    # In the form in which browsers send them in `Origin`.
    cors_origins: tuple[str, ...] = ()


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and its policy."""

    tenant: str
    name: str
    policy: Policy
    created_at: int
