"""UWSGI_SETENV is forbidden or the process does not serve; tests/integration attacks one."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from servicekit import uwsgi_setenv


def test_another_uwsgi_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A uWSGI whose table is not where it should be is refused, instead of being left as it is."""
    monkeypatch.setitem(sys.modules, "uwsgi", ModuleType("uwsgi"))
    # The library alone has an empty table; uWSGI fills it when it starts.
    with pytest.raises(uwsgi_setenv.UnknownUwsgi):
        uwsgi_setenv.forbid()


def test_outside_of_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and tests, which no packet reaches, do not load uWSGI for it."""
    monkeypatch.delitem(sys.modules, "pyuwsgi", raising=False)
    uwsgi_setenv.forbid()
    assert "pyuwsgi" not in sys.modules
