"""Fixtures of the console's tests."""

from __future__ import annotations

from tests.servers.console import console, gateway

__all__ = ["console", "gateway"]
