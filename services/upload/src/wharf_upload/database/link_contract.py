"""The contract of signed links: their keys, and the links that are kept; see `contract`."""

from __future__ import annotations

from typing import Protocol

from wharf_upload.domain.kept_links import KeptLink, LinkFilter


class LinkKeyRecords(Protocol):
    """The secrets that signed links are signed with."""

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """Return the tenant's secret; with `create`, make it if there is none."""

    def rotate_link_key(self, tenant: str) -> None:
        """Give the tenant a new secret: every link signed so far is void."""


class LinkRecords(Protocol):
    """Signed links that are kept; a link with an id is good for as long as its row is there."""

    def keep_link(self, link: KeptLink) -> None:
        """Keep a link; raises `LimitReached`."""

    def kept_link(self, tenant: str, link: str) -> KeptLink | None:
        """Return the link with this id, also one that has expired."""

    def tokens_of_link(self, tenant: str, link: str) -> tuple[str, ...] | None:
        """Return the ids of the tokens that a link ends with; `None` where it has ended."""

    def kept_links(
        self, tenant: str, wanted: LinkFilter, *, now: int, before: str, limit: int
    ) -> list[KeptLink]:
        """Return links that have not expired, the newest first, those past the id `before`."""

    def end_link(self, tenant: str, link: str) -> bool:
        """Remove a link; return whether it was there."""

    def end_links(self, tenant: str, until: int) -> int:
        """Remove the links that a tenant made until a time, some at once; return how many."""

    def recent_links(
        self, tenant: str, after: str, limit: int
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return ids and tokens of the links past the id `after`, the oldest first."""

    def remove_links(self, tenant: str, links: list[str]) -> None:
        """Remove links; of those that are gone already nothing is said."""

    def forget_links(self, before: int) -> int:
        """Drop the links that expired before a time; return how many."""
