"""The gateway's values from a container's settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_gateway.container import Gateway
from wharf_gateway.terminal import CannotRunError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHARF_AUTH_SOCKET", "auth"),
        ("WHARF_AUTH_SOCKET", "auth:http"),
        ("WHARF_AUTH_SOCKET", "/run/a b.sock"),
        ("WHARF_AUTH_SOCKET", "auth:3031; } http {"),
        ("WHARF_AUTH_SECRETS_SOCKET", "auth:3032; } http {"),
        ("WHARF_SOCKETS", "run"),
        ("WHARF_FRONT_DOOR", "/run/$host"),
        ("WHARF_GATEWAY_RUN", "/tmp/;"),
        ("WHARF_METRICS_HOST", "all"),
        ("WHARF_INSTANCE", "One"),
    ],
)
def test_a_value_that_would_end_a_directive_is_refused(name: str, value: str) -> None:
    """The error for a malformed value, such as one that would end a directive of nginx, names the
    variable.
    """
    with pytest.raises(CannotRunError) as refused:
        Gateway({"WHARF_DATA": "/data", "PATH": os.environ["PATH"], name: value}, root=str(ROOT))
    assert str(refused.value).startswith(f"{name}={value!r}")


@pytest.mark.parametrize(
    ("value", "server"),
    [
        ("", "unix:/run/wharf/auth/auth.sock"),
        ("/run/x.sock", "unix:/run/x.sock"),
        ("wharf-auth.wharf.svc:3031", "wharf-auth.wharf.svc:3031"),
        ("[fd00::1]:3031", "[fd00::1]:3031"),
    ],
)
def test_auth_is_a_socket_or_a_port(value: str, server: str) -> None:
    """Auth's socket or port is written in nginx's notation."""
    environ = {"WHARF_DATA": "/data", "PATH": os.environ["PATH"], "WHARF_AUTH_SOCKET": value}
    assert Gateway(environ, root=str(ROOT)).values["WHARF_AUTH_SOCKET"] == server


@pytest.mark.parametrize(
    ("main", "own", "server"),
    [
        ("", "", "unix:/run/wharf/auth/secrets.sock"),
        ("/run/x/auth.sock", "", "unix:/run/x/secrets.sock"),
        ("wharf-auth:3031", "", "wharf-auth:3031"),
        ("wharf-auth:3031", "wharf-auth:3032", "wharf-auth:3032"),
    ],
)
def test_where_secrets_go(main: str, own: str, server: str) -> None:
    """Requests with secrets go to the named address, else next to auth's socket or auth's port."""
    environ = {"WHARF_AUTH_SOCKET": main, "WHARF_AUTH_SECRETS_SOCKET": own}
    environ |= {"WHARF_DATA": "/data", "PATH": os.environ["PATH"]}
    assert Gateway(environ, root=str(ROOT)).values["WHARF_AUTH_SECRETS_SOCKET"] == server
