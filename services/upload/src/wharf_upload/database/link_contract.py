"""The contract of signed links: their keys and their rows; `contract` has the common rules."""

from __future__ import annotations

from typing import Protocol

from wharf_upload.domain.kept_links import KeptLink, LinkFilter


class LinkKeyRecords(Protocol):
    """The secret keys that sign tenants' links."""

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """Return the tenant's secret key or `None`; with `create`, make a key if there is none."""

    def rotate_link_key(self, tenant: str) -> None:
        """Replace the tenant's secret key, which invalidates all links signed with the old one."""


class LinkRecords(Protocol):
    """The rows of signed links; a link with an id is valid only while its row exists."""

    def keep_link(self, link: KeptLink) -> None:
        """Store a link; raises `LimitReached` if the tenant has too many links."""

    def kept_link(self, tenant: str, link: str) -> KeptLink | None:
        """Return the link with this id, or `None`; the link may have expired."""

    def tokens_of_link(self, tenant: str, link: str) -> tuple[str, ...] | None:
        """Return the ids of the link's tokens (`KeptLink.tokens`).

        Return `None` if the link has no row.
        """

    def kept_links(
        self, tenant: str, wanted: LinkFilter, *, now: int, before: str, limit: int
    ) -> list[KeptLink]:
        """Return at most `limit` links that have not expired, with ids below `before`.

        The newest link comes first. An empty `before` means no bound.
        """

    def end_link(self, tenant: str, link: str) -> bool:
        """Delete a link; return whether it existed."""

    def end_links(self, tenant: str, until: int) -> int:
        """Delete the links that a tenant made up to the time `until`, in batches.

        Return how many links were deleted.
        """

    def recent_links(
        self, tenant: str, after: str, limit: int
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return the ids and token ids of `limit` links after the id `after`, the oldest first."""

    def remove_links(self, tenant: str, links: list[str]) -> None:
        """Delete links; ids of links that no longer exist have no effect."""

    def forget_links(self, before: int) -> int:
        """Delete the links that expired before a time; return how many were deleted."""
