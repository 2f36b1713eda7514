"""Asking the gateway whether everything behind it is ready.

A few lines of HTTP/1.0 over a socket: http.client would bring the email package with it, some
7 MB for a handful of requests.
"""

from __future__ import annotations

import socket

from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import CannotRunError

_TIMEOUT_SECONDS = 2.0
_ANSWER_BYTES = 1 << 16
_SHOWN_CHARACTERS = 200
# The upload service's own word, and proof that auth answers and has keys. On a full disk Wharf
# starts as well: files are read, and deleted.
_UPLOAD_PROBE, _AUTH_PROBE, _CONSOLE_PROBE = (
    "/readyz?exclude=room",
    "/.well-known/jwks.json",
    "/console/readyz",
)
# Of a connection that is for nobody else.
_PROXY_LINE = "PROXY UNKNOWN\r\n"


def get(host: str, port: int, path: str, *, speaks_proxy: bool = False) -> tuple[int, str]:
    """Status and body of a GET; status 0 and the reason when there was no answer."""
    line = _PROXY_LINE if speaks_proxy else ""
    request = f"{line}GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS) as connection:
            connection.sendall(request.encode())
            while len(answer) < _ANSWER_BYTES and (chunk := connection.recv(4096)):
                answer += chunk
    except OSError as error:
        return 0, error.strerror or str(error)
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        return 0, "no HTTP answer"
    return int(words[1]), body.decode(errors="replace").strip()


def not_ready(settings: RunSettings, *, console: bool) -> str | None:
    """What is not ready, in words; None when everything is.

    Args:
        settings: say where the gateway listens.
        console: whether the console is a part of everything.
    """
    public = (settings.local_host, settings.port, settings.speaks_proxy)
    probes = [(*public, _UPLOAD_PROBE)]
    if settings.is_tls:
        # Without TLS the public port answers the first question alone (snippets/plain_http.conf).
        internal = (settings.local_metrics_host, settings.metrics_port, False)
        probes += [(*internal, "/jwks"), (*internal, _CONSOLE_PROBE)]
    else:
        probes += [(*public, _AUTH_PROBE), (*public, _CONSOLE_PROBE)]
    for host, port, speaks_proxy, path in probes if console else probes[:-1]:
        status, body = get(host, port, path, speaks_proxy=speaks_proxy)
        if status == 200:
            continue
        if status == 0:
            return f"the gateway does not answer: {body}"
        # The gateway's own page says no more than the status does.
        shown = "" if "<html" in body else f" {body[:_SHOWN_CHARACTERS]}"
        return f"{path} answers {status}{shown}"
    return None


def counts(settings: RunSettings, service: str) -> bool:
    """Whether a service gives the internal port its metrics, and so lives."""
    status, _ = get(settings.local_metrics_host, settings.metrics_port, f"/metrics/{service}")
    return status == 200


def check_free(host: str, port: int, variable: str) -> None:
    """Raises CannotRunError when the port cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As nginx does: connections of an earlier run that linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise CannotRunError(
                f"cannot listen on {host} port {port}: {error.strerror}; "
                f"choose another port with {variable}=..."
            ) from None
