"""Checks of origins: Wharf's own pages may listen, and pages that a tenant's bucket allows."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from servicekit.problems import FORBIDDEN, ProblemError


class OtherOrigins(Protocol):
    """The origins that tenants allow; see `access.origins.Origins`."""

    def allows(self, tenant: str | None, bucket: str | None, origin: str | None) -> bool:
        """Tell whether pages of an origin may use a bucket; `None` is any tenant or any bucket."""


class OriginCheck:
    """Checks the `Origin` of a connection.

    A client that sends no `Origin` is not a page in a browser, so it may listen.
    """

    def __init__(self, own_address: str, others: OtherOrigins) -> None:
        """Create the check; `own_address` is an address of this installation, e.g. the issuer."""
        parts = urlsplit(own_address)
        self._own, self._others = f"{parts.scheme}://{parts.netloc}".lower(), others

    def is_own(self, origin: str, host: str) -> bool:
        """Tell whether an origin is that of the issuer or of `host`, so of this installation."""
        here = {f"https://{host}".lower(), f"http://{host}".lower()} if host else set()
        return origin.lower() in {self._own, *here}

    def allows(self, origin: str, host: str, tenant: str | None) -> bool:
        """Tell whether a page may listen; `tenant` is `None` while it is not known.

        The method may query the database.
        """
        return self.is_own(origin, host) or self._others.allows(tenant, None, origin)

    def require(self, origin: str, host: str, tenant: str | None) -> None:
        """Raise the problem `forbidden` for a page that may not listen."""
        if origin and not self.allows(origin, host, tenant):
            raise refused(origin)


def refused(origin: str) -> ProblemError:
    """Return the problem of a page that may not listen."""
    return FORBIDDEN(f"Pages of the origin {origin[:200]!r} may not use the live channel.")
