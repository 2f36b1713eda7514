"""The configuration of supervisord, as supervisord reads it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

import wharf_native
from wharf_native.places import SERVICES

FOLDER = Path(wharf_native.__file__).parent


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the options as supervisord reads them, from paths that need quotes."""
    names = ("WHARF_RUN", "WHARF_LOG", "WHARF_SOCKETS")
    for name in names:
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WHARF_ROOT", str(tmp_path / "it's 100% mine"))
    monkeypatch.setenv("WHARF_NGINX", "/opt/100% mine/nginx")
    monkeypatch.setenv("WHARF_DRAIN_SECONDS", "7")
    (tmp_path / "it's 100% mine").mkdir()
    found = ServerOptions()
    found.realize(["-c", str(FOLDER / "supervisord.conf")])
    return found


def processes(options: Any) -> dict[str, Any]:
    """Return supervisord's programs by name."""
    return {
        one.name: one for group in options.process_group_configs for one in group.process_configs
    }


def test_the_gateway_stops_first(options: Any) -> None:
    """The gateway's group has the highest priority number, so the group stops first.

    The group contains the live channel, because nginx would wait for the channel's connections.
    """
    groups = sorted(options.process_group_configs, key=lambda group: group.priority)
    assert [group.name for group in groups] == ["prepare", "services", "gateway"]
    assert len(groups[1].process_configs) == 10
    last = {one.name for one in groups[2].process_configs}
    assert last == {"nginx", "live-0", "live-1"}


def test_nothing_starts_by_itself(options: Any) -> None:
    """supervisord starts no program without a command; only services and nginx are restarted."""
    found = processes(options)
    assert not any(one.autostart for one in found.values())
    again = {name for name, one in found.items() if one.autorestart}
    services = {f"{name}-{number}" for name in SERVICES for number in (0, 1)}
    assert again == {*services, "nginx"}


def test_services_inherit_the_listening_sockets(options: Any) -> None:
    """supervisord closes no descriptor above 2, so services inherit the listening sockets."""
    assert options.minfds <= 3


def test_paths_with_blanks_and_signs(options: Any, tmp_path: Path) -> None:
    """Commands and environments keep paths that contain blanks, quotes and percent signs."""
    found = processes(options)
    assert shlex.split(found["nginx"].command)[4] == "/opt/100% mine/nginx"
    root = str(tmp_path / "it's 100% mine")
    assert found["upload-1"].directory == root
    assert found["upload-1"].environment["WHARF_UWSGI_INI"] == f"{root}/services/upload/uwsgi.ini"
