"""The HTTP proxy of the operator, which connects instead of us and judges the addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from servicekit.outbound.errors import NotAllowed
from servicekit.outbound.urls import Host, target_of


@dataclass(frozen=True)
class Proxy:
    """A proxy that accepts CONNECT without TLS and without credentials."""

    host: Host
    port: int

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the proxy of a URL such as `http://smokescreen:4750`; raise `ValueError`."""
        try:
            target = target_of(url)
        except NotAllowed as error:
            raise ValueError(f"{url}: {error}".replace("https://", "http://")) from None
        if target.is_encrypted or target.path != "/":
            raise ValueError(f"{url}: write the proxy as http://host:port")
        return cls(target.host, target.port)
