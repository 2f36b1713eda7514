"""The reasons why a request was not sent or got no answer, in words for the tenant.

No reason contains an address of the network of the operator.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["dns", "connect", "tls", "timeout", "protocol"]


class NotAllowed(Exception):
    """The rules do not permit this URL or the addresses of its host; nothing was sent."""

    def __init__(self, reason: str) -> None:
        """Create the error with its reason."""
        super().__init__(reason)
        self.reason = reason


class SendingFailed(Exception):
    """The request got no complete answer. The receiver may have received the request.

    Attributes:
        kind: the step that failed, for metrics.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        """Create the error with its step and its reason."""
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason


class DnsUnavailable(SendingFailed):
    """DNS did not answer, so it is unknown whether the name has an address."""
