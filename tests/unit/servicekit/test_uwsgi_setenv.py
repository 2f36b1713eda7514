"""UWSGI_SETENV is disabled before a process serves. Tests in tests/integration attack a uWSGI."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from servicekit import uwsgi_setenv


def test_another_uwsgi_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """If uWSGI's table is not at the expected place, the process refuses to serve."""
    monkeypatch.setitem(sys.modules, "uwsgi", ModuleType("uwsgi"))
    # The library alone has an empty table; uWSGI fills it at startup.
    with pytest.raises(uwsgi_setenv.UnknownUwsgi):
        uwsgi_setenv.forbid()


def test_outside_of_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and tests do not load uWSGI, because they receive no packets."""
    monkeypatch.delitem(sys.modules, "pyuwsgi", raising=False)
    uwsgi_setenv.forbid()
    assert "pyuwsgi" not in sys.modules
