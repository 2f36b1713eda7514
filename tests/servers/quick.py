"""Fixtures that make unit tests faster: they cache results and make password hashes cheap."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import MethodType

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.sansio import app as flask_app
from flask.sansio import scaffold as flask_scaffold
from werkzeug.routing import Rule

from wharf_auth import signing
from wharf_auth.accounts import secrets
from wharf_gateway import nginx_program

_REAL = {name: getattr(secrets, name) for name in ("MEMORY_KIB", "PASSES")}
_CHEAP = {"MEMORY_KIB": 8, "PASSES": 1}


@pytest.fixture(scope="session", autouse=True)
def routes_compiled_once() -> Iterator[None]:
    """Let equal rules of routes share the result of werkzeug's compilation, which takes most
    of an app's start.
    """
    known: dict[tuple[object, ...], Rule] = {}
    compile_rule = Rule.compile

    def compiled(rule: Rule) -> None:
        assert rule.map is not None
        converters = tuple(sorted(rule.map.converters.items()))
        key = (rule.rule, rule.merge_slashes, rule.subdomain, rule.host, converters)
        first = known.setdefault(key, rule)
        if first is rule or rule.defaults or first.defaults:
            compile_rule(rule)
            return
        rule._parts, rule._trace = first._parts, first._trace
        rule._converters, rule.arguments = first._converters, rule.arguments | first.arguments
        for name in ("_build", "_build_unknown"):
            setattr(rule, name, MethodType(getattr(first, name).__func__, rule))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", compiled)
        yield


@pytest.fixture(scope="session", autouse=True)
def packages_found_once() -> Iterator[None]:
    """Cache the search on Python's path that Flask does for each application, by package name."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((flask_app, "find_package"), (flask_scaffold, "get_root_path")):
            patch.setattr(module, name, cache(getattr(module, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def keys_checked_once() -> Iterator[None]:
    """Skip the prime check of a signing key that was loaded before."""
    load = cache(serialization.load_pem_private_key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "load_pem_private_key", load)
        yield


_PUBLIC_EXPONENT, _BITS = 65537, signing.KEY_BITS
_KEYS: list[rsa.RSAPrivateKey] = []
_new_key = rsa.generate_private_key


@pytest.fixture(autouse=True)
def keys_made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a series of different signing keys.

    Each test gets the same series, because a new key takes long to make.
    """
    given = iter(_KEYS.copy())

    def key(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        if (public_exponent, key_size) != (_PUBLIC_EXPONENT, _BITS):
            return _new_key(public_exponent, key_size)
        if found := next(given, None):
            return found
        _KEYS.append(_new_key(public_exponent, key_size))
        return _KEYS[-1]

    monkeypatch.setattr(rsa, "generate_private_key", key)


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Hash secrets with the least work that argon2 allows."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _CHEAP.items():
            patch.setattr(secrets, name, value)
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash secrets as in a service."""
    for name, value in _REAL.items():
        monkeypatch.setattr(secrets, name, value)


@pytest.fixture(scope="session", autouse=True)
def nginx_is_found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Provide a program named nginx, because settings require one and nginx may not be installed.
    No test runs it.
    """
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "nginx").write_text("#!/bin/sh\nexit 1\n")
    (folder / "nginx").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nginx_program, "_PLACES", (*nginx_program._PLACES, str(folder)))
        yield
