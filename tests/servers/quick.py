"""Fixtures that make many applications in one process quick: what all of them compute, one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from werkzeug.routing import Rule

from wharf_auth.accounts import secrets

_REAL = {name: getattr(secrets, name) for name in ("MEMORY_KIB", "PASSES")}
_CHEAP = {"MEMORY_KIB": 8, "PASSES": 1}


@pytest.fixture(scope="session", autouse=True)
def routes_compiled_once() -> Iterator[None]:
    """Equal rules of routes share the code that builds addresses: it is half of an app's start."""
    compiled: dict[tuple[object, ...], Callable[..., Any]] = {}
    compile_builder = Rule._compile_builder

    def remembered(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:  # noqa: FBT001, FBT002 -- as werkzeug calls it
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, append_unknown, *rule._trace)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", remembered)
        yield


@pytest.fixture(scope="session", autouse=True)
def keys_checked_once() -> Iterator[None]:
    """A signing key that was read before, byte for byte, is not checked for primes again."""
    load = cache(serialization.load_pem_private_key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "load_pem_private_key", load)
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Secrets are hashed with the least work that argon2 knows."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _CHEAP.items():
            patch.setattr(secrets, name, value)
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are hashed as in a service."""
    for name, value in _REAL.items():
        monkeypatch.setattr(secrets, name, value)
