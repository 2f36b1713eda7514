"""Says which pages may listen: ours, and those that a bucket of the tenant lists."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from servicekit.problems import FORBIDDEN, ProblemError


class OtherOrigins(Protocol):
    """Knows what tenants allow; see `access.origins.Origins`."""

    def allows(self, tenant: str | None, bucket: str | None, origin: str | None) -> bool:
        """Tell whether pages of an origin may use a bucket; `None`: any."""


class OriginCheck:
    """Judges the `Origin` of a connection. Who sends none is no page, and may listen."""

    def __init__(self, own_address: str, others: OtherOrigins) -> None:
        """`own_address` is an address of this installation, such as the issuer's."""
        parts = urlsplit(own_address)
        self._own, self._others = f"{parts.scheme}://{parts.netloc}".lower(), others

    def is_own(self, origin: str, host: str) -> bool:
        """Tell whether a page comes from here: from the issuer's origin, or the asked host."""
        here = {f"https://{host}".lower(), f"http://{host}".lower()} if host else set()
        return origin.lower() in {self._own, *here}

    def allows(self, origin: str, host: str, tenant: str | None) -> bool:
        """Tell whether a page may listen; `None`: whose events it wants is not known yet.

        May ask the database.
        """
        return self.is_own(origin, host) or self._others.allows(tenant, None, origin)

    def require(self, origin: str, host: str, tenant: str | None) -> None:
        """Raise the problem `forbidden` for a page that may not listen."""
        if origin and not self.allows(origin, host, tenant):
            raise refused(origin)


def refused(origin: str) -> ProblemError:
    """Return the problem of a page that may not listen."""
    return FORBIDDEN(f"Pages of the origin {origin[:200]!r} may not listen here.")
