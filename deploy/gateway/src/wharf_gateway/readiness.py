"""Checks whether the gateway and the services behind it are ready.

This module writes HTTP/1.0 to a socket: http.client would import the email package, which needs
about 7 MB of memory, and the gateway sends only a few such requests.
"""

from __future__ import annotations

import socket

from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import CannotRunError

_TIMEOUT_SECONDS = 2.0
_ANSWER_BYTES = 1 << 16
_SHOWN_CHARACTERS = 200
# upload's readiness, and a response that proves that auth is running and has keys. `exclude=room`:
# Wharf starts on a full disk too, and clients can still read and delete files.
_UPLOAD_PROBE, _AUTH_PROBE, _CONSOLE_PROBE = (
    "/readyz?exclude=room",
    "/.well-known/jwks.json",
    "/console/readyz",
)
# The PROXY line of a connection that was not forwarded for a client.
_PROXY_LINE = "PROXY UNKNOWN\r\n"


def get(host: str, port: int, path: str, *, speaks_proxy: bool = False) -> tuple[int, str]:
    """Return status and body of a GET request; without a response, return 0 and the reason."""
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
    """Return a sentence about the first part that is not ready; None when everything is ready.

    Args:
        settings: the addresses of the gateway.
        console: whether to check the console too.
    """
    public = (settings.local_host, settings.port, settings.speaks_proxy)
    probes = [(*public, _UPLOAD_PROBE)]
    if settings.is_tls:
        # The readiness checks use no TLS. To a request without TLS, a public port with TLS serves
        # only /readyz (snippets/plain_http.conf).
        internal = (settings.local_metrics_host, settings.metrics_port, False)
        probes += [(*internal, "/jwks"), (*internal, _CONSOLE_PROBE)]
    else:
        probes += [(*public, _AUTH_PROBE), (*public, _CONSOLE_PROBE)]
    for host, port, speaks_proxy, path in probes if console else probes[:-1]:
        status, body = get(host, port, path, speaks_proxy=speaks_proxy)
        if status == 200:
            continue
        if status == 0:
            return f"the gateway does not respond: {body}"
        # The gateway's HTML page adds nothing to the status.
        shown = "" if "<html" in body else f" {body[:_SHOWN_CHARACTERS]}"
        return f"{path} returns {status}{shown}"
    return None


def counts(settings: RunSettings, service: str) -> bool:
    """Tell whether a service serves its metrics on the internal port, and so is running."""
    status, _ = get(settings.local_metrics_host, settings.metrics_port, f"/metrics/{service}")
    return status == 200


def check_free(host: str, port: int, variable: str) -> None:
    """Raise CannotRunError when no program can listen on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # nginx sets this option too, so old connections of an earlier run do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise CannotRunError(
                f"cannot listen on {host} port {port}: {error.strerror}; "
                f"choose another port with {variable}=..."
            ) from None
