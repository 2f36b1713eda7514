"""UWSGI_SETENV is forbidden before a process serves; tests/integration attacks a real uWSGI."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from servicekit import uwsgi_setenv


def test_another_uwsgi_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A uWSGI whose table is not at the expected place is refused."""
    monkeypatch.setitem(sys.modules, "uwsgi", ModuleType("uwsgi"))
    # The library alone has an empty table; uWSGI fills it at startup.
    with pytest.raises(uwsgi_setenv.UnknownUwsgi):
        uwsgi_setenv.forbid()


def test_outside_of_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and tests, which get no packets, do not load uWSGI."""
    monkeypatch.delitem(sys.modules, "pyuwsgi", raising=False)
    uwsgi_setenv.forbid()
    assert "pyuwsgi" not in sys.modules
