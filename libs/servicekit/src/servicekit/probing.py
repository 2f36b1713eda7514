"""`python -m servicekit.probing VARIABLE PATH`: whether an internal port answers with 200.

For the HEALTHCHECK of an image, which has no curl. VARIABLE holds what uWSGI listens on, such as
`:8082`. A few lines of HTTP/1.0, because this runs every few seconds and http.client takes longer
to import than all the rest.
"""

from __future__ import annotations

import os
import socket
import sys

_TIMEOUT_SECONDS = 4.0
_SHOWN_BYTES = 4096


def error(port: int, path: str) -> str | None:
    """Return what is wrong, in words; `None` when the answer is 200."""
    answer = b""
    try:
        with socket.create_connection(("localhost", port), timeout=_TIMEOUT_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            while len(answer) < _SHOWN_BYTES and (part := connection.recv(_SHOWN_BYTES)):
                answer += part
    except OSError as failure:
        return f"no answer from port {port}: {failure}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"200"]:
        return None
    said = head.split(b"\r\n")[0] + b" " + body
    return f"{path} on port {port}: {said.decode(errors='replace')}"


def main() -> None:
    """The command line; ends with 1 and one line when something is wrong."""
    variable, path = sys.argv[1:]
    sys.exit(error(int(os.environ[variable].rpartition(":")[2]), path))


if __name__ == "__main__":
    main()
