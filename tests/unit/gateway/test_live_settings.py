"""The gateway's settings about the live channel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_gateway.container import Gateway
from wharf_gateway.nginx import render_configuration
from wharf_gateway.terminal import CannotRunError

ROOT = Path(__file__).resolve().parents[3]


def configured(**environ: str) -> Gateway:
    """Return a gateway with these settings, without starting it."""
    return Gateway({"WHARF_DATA": "/data", "PATH": os.environ["PATH"], **environ}, root=str(ROOT))


def test_without_a_live_channel(tmp_path: Path) -> None:
    """Without a live channel the gateway passes all requests on to upload."""
    made = configured()
    render_configuration(str(ROOT), str(tmp_path), made.values)
    names = ("nginx.conf", "conf.d/public.conf", "conf.d/internal.conf")
    assert not any("live.conf" in (tmp_path / name).read_text() for name in names)
    assert '(?:[;,]|$)" "";' in (tmp_path / "conf.d/requests.conf").read_text()


def test_its_socket_is_kept_with_uploads() -> None:
    """The live channel's socket is in upload's folder, which the gateway watches only once."""
    made = configured(WHARF_LIVE_SOCKET="/run/wharf/upload/live.sock")
    assert made.socket_folders == ["/run/wharf/upload", "/run/wharf/auth"]
    assert made.values["WHARF_LIVE_SOCKET"] == "unix:/run/wharf/upload/live.sock"


@pytest.mark.parametrize("value", ["live", "live:80", "/run/$host", "/run/x;"])
def test_what_is_no_path_is_refused(value: str) -> None:
    """A malformed path is refused, and the message has the variable and the value."""
    with pytest.raises(CannotRunError) as refused:
        configured(WHARF_LIVE_SOCKET=value)
    assert str(refused.value).startswith(f"WHARF_LIVE_SOCKET={value!r}")
