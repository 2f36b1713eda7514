"""The sender of requests to addresses that tenants choose."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from servicekit.outbound import exchanges
from servicekit.outbound.addresses import Address
from servicekit.outbound.connections import Connection, Deadline, connected
from servicekit.outbound.errors import NotAllowed, SendingFailed
from servicekit.outbound.proxies import Proxy
from servicekit.outbound.resolving import OwnAddresses, Resolver, addresses_of, system_resolver
from servicekit.outbound.rules import Rules
from servicekit.outbound.urls import Target, target_of

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
# The statuses with which proxies refuse a host; smokescreen answers with 407.
_REFUSED_BY_PROXY = (403, 407)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response, or its first part if its body is large.

    Attributes:
        status: the status, from 200 up.
        retry_after: the field Retry-After if it is a short text.
        body: at most the first 16 KiB of the body.
        milliseconds: the time from the look-up of the host to the end of the response.
    """

    status: int
    retry_after: str | None
    body: bytes
    milliseconds: int


class Sender:
    """A sender under the rules of the operator. Any number of threads may use it."""

    def __init__(
        self,
        rules: Rules,
        *,
        resolver: Resolver = system_resolver,
        clock: Callable[[], float] = time.monotonic,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        """Create a sender; raise `ValueError` if the file of authorities cannot be used."""
        self._rules, self._resolver, self._clock = rules, resolver, clock
        self._connect_seconds, self._total_seconds = connect_seconds, total_seconds
        self._proxy = rules.parsed_proxy
        self._own = OwnAddresses(rules.refused_hosts, resolver, clock)
        self._tls = _tls_context(rules)

    def check(self, url: str, *, resolve: bool = False) -> None:
        """Check whether the rules permit a URL now; `post` checks again.

        Args:
            url: the URL that a tenant wrote.
            resolve: check the addresses of the host, too.

        Raises:
            NotAllowed: the rules do not permit it.
            SendingFailed: the host has no address.
        """
        target = self._checked(url)
        if resolve and self._proxy is None:
            self._permitted_addresses(target)

    def post(self, url: str, fields: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and return its answer. A redirect is an answer.

        Args:
            url: the URL that a tenant wrote.
            fields: the header fields. Host, Content-Length, User-Agent, Connection and those that
                change how a message is read belong to the sender.
            body: the body.

        Raises:
            NotAllowed: the rules do not permit the URL or an address of its host.
            SendingFailed: the request got no complete answer in time.
            ValueError: a field is not permitted.
        """
        exchanges.check_fields(fields)
        target = self._checked(url)
        deadline = Deadline(self._clock, self._total_seconds)
        try:
            with self._connected(target, deadline) as connection:
                if target.is_encrypted:
                    connection.encrypt(self._tls, target.host.name)
                received = exchanges.post(connection, target.authority, target.path, fields, body)
        except OSError as error:
            raise self._failure(error) from None
        return Answer(received.status, received.retry_after, received.body, deadline.milliseconds())

    def _checked(self, url: str) -> Target:
        target = target_of(url)
        self._rules.check_target(target)
        return target

    def _permitted_addresses(self, target: Target) -> list[Address]:
        """Return the addresses of a host, each of which is permitted."""
        addresses = addresses_of(target.host, self._resolver)
        self._rules.check_addresses(target, addresses, self._own())
        return addresses

    def _connected(self, target: Target, deadline: Deadline) -> Connection:
        if self._proxy is not None:
            return self._tunnelled(self._proxy, target, deadline)
        addresses = self._permitted_addresses(target)
        return connected(addresses, target.port, deadline, self._connect_seconds)

    def _tunnelled(self, proxy: Proxy, target: Target, deadline: Deadline) -> Connection:
        """Return a connection through the proxy."""
        try:
            addresses = addresses_of(proxy.host, self._resolver)
            connection = connected(addresses, proxy.port, deadline, self._connect_seconds)
        except SendingFailed as error:
            raise SendingFailed(error.kind, "the operator's proxy cannot be reached") from None
        try:
            status = exchanges.connect_through(connection, f"{target.host.bracketed}:{target.port}")
        except SendingFailed:
            status = 0
        except BaseException:
            connection.end()
            raise
        if 200 <= status < 300:
            return connection
        connection.end()
        if status in _REFUSED_BY_PROXY:
            raise NotAllowed("the operator's proxy does not permit this host")
        raise SendingFailed("connect", "the operator's proxy could not connect to the host")

    def _failure(self, error: OSError) -> SendingFailed:
        """Return the error of the sender for an error of the connection."""
        match error:
            case TimeoutError():
                reason = f"no complete answer within {self._total_seconds:g} seconds"
                return SendingFailed("timeout", reason)
            case ssl.SSLCertVerificationError():
                reason = f"the certificate is not trusted: {error.verify_message}"
                return SendingFailed("tls", reason)
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
                return SendingFailed("tls", "TLS failed: the receiver closed the connection")
            case ssl.SSLError():
                reason = (error.reason or "unknown reason").lower().replace("_", " ")
                return SendingFailed("tls", f"TLS failed: {reason}")
        reason = f"the connection broke: {error.strerror or 'unknown reason'}"
        return SendingFailed("protocol", reason)


def _tls_context(rules: Rules) -> ssl.SSLContext:
    """Return a context that verifies certificates with the authorities of the system and ours."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if rules.ca_file is not None:
        try:
            context.load_verify_locations(rules.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"{rules.ca_file}: no certificates: {error}") from None
    return context
