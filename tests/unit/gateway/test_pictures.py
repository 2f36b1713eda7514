"""The gateway's settings about small pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_gateway.container import Gateway
from wharf_gateway.nginx import render_configuration
from wharf_gateway.terminal import CannotRunError

ROOT = Path(__file__).resolve().parents[3]


def gateway(data: str = "/data", **environ: str) -> Gateway:
    """Return a gateway with these settings, without starting it."""
    settings = {"WHARF_DATA": data, "WHARF_INSTANCE": "one", "PATH": os.environ["PATH"]}
    return Gateway({**settings, **environ}, root=str(ROOT))


def rendered(made: Gateway, folder: Path) -> str:
    """Return nginx's configuration files and their includes as one text."""
    render_configuration(str(ROOT), str(folder), made.values)
    names = ("nginx.conf", "conf.d/public.conf", "conf.d/internal.conf", "conf.d/images.conf")
    return "".join((folder / name).read_text() for name in names)


def test_without_pictures(tmp_path: Path) -> None:
    """Without the images service the gateway has no socket and no cache for small pictures."""
    made = gateway()
    assert made.own_sockets == []
    text = rendered(made, tmp_path)
    assert "include conf.d/images.conf;" not in text
    assert "include snippets/no_pictures.conf;" in text
    assert "include snippets/pictures_made.conf;" not in text
    assert "include snippets/images_metrics.conf;" not in text


def test_with_pictures(tmp_path: Path) -> None:
    """With the images service the gateway serves blobs on a socket next to upload's socket.

    The gateway caches small pictures in a separate folder with a maximum size.
    """
    made = gateway(
        WHARF_IMAGES_SOCKET="/run/wharf/upload/images.sock", WHARF_PICTURES_CACHE_BYTES="5000000"
    )
    assert made.own_sockets == ["/run/wharf/upload/images-blobs.sock"]
    text = rendered(made, tmp_path)
    assert "include conf.d/images.conf;" in text
    assert "include snippets/pictures.conf;" in text
    assert "server unix:/run/wharf/upload/images.sock max_fails=0;" in text
    assert "listen unix:/run/wharf/upload/images-blobs.sock;" in text
    assert "uwsgi_cache_path /data/pictures/one levels=1:2" in text
    assert "max_size=5000000 " in text


def test_a_socket_for_bytes_elsewhere() -> None:
    """WHARF_IMAGES_BLOBS_SOCKET sets the path of the socket on which the gateway serves blobs."""
    made = gateway(WHARF_IMAGES_SOCKET="/run/i.sock", WHARF_IMAGES_BLOBS_SOCKET="/run/b.sock")
    assert made.own_sockets == ["/run/b.sock"]
    assert made.values["WHARF_IMAGES_BLOBS_SOCKET"] == "unix:/run/b.sock"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHARF_IMAGES_SOCKET", "images:3035"),
        ("WHARF_IMAGES_SOCKET", "/run/i.sock; } http {"),
        ("WHARF_IMAGES_BLOBS_SOCKET", "images-blobs.sock"),
        ("WHARF_PICTURES_CACHE_BYTES", "1g"),
        ("WHARF_PICTURES_CACHE_BYTES", "0"),
    ],
)
def test_what_is_no_place_is_refused(name: str, value: str) -> None:
    """A malformed value is refused, and the message has the variable and the value."""
    with pytest.raises(CannotRunError) as refused:
        gateway(**{"WHARF_IMAGES_SOCKET": "/run/i.sock", name: value})
    assert str(refused.value).startswith(f"{name}={value!r}")
