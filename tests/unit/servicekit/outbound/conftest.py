"""Senders that reach receivers on this machine, and the certificate of the receivers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from servicekit.outbound import AllowList, Rules, Sender
from tests.servers.certificates import Certificate

# Long enough for a busy machine: tests that wait for the deadline set a short one.
_SECONDS = 60.0

MakeSender = Callable[..., Sender]


@pytest.fixture(scope="session")
def sender_of() -> MakeSender:
    """Return a function that makes a sender; each host has the address 127.0.0.1."""
    usual: list[Sender] = []

    def make_or_share(*args: Any, **options: Any) -> Sender:
        # To read the authorities of the system takes 30 ms.
        if args or options:
            return make(*args, **options)
        if not usual:
            usual.append(make())
        return usual[0]

    def make(allow: str = "127.0.0.1", **options: Any) -> Sender:
        rules = {
            name: options.pop(name) for name in ("proxy", "ca_file", "refused") if name in options
        }
        defaults: dict[str, Any] = {
            "resolver": lambda _: ["127.0.0.1"],
            "connect_seconds": _SECONDS,
            "total_seconds": _SECONDS,
        }
        return Sender(Rules(allow=AllowList.parse(allow), **rules), **(defaults | options))

    return make_or_share


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate for localhost and 127.0.0.1, whose authority no system knows."""
    return Certificate(tmp_path_factory.mktemp("certificate"))
