"""The process id of nginx's master."""

from __future__ import annotations

from pathlib import Path

from tests.servers.wharf.raw_http import until


def nginx_pid(folder: Path | str) -> int:
    """Return the id in the file `nginx.pid` of a folder.

    nginx accepts connections before it has written the file, and the file is empty for a moment.
    """
    path = Path(folder, "nginx.pid")

    def is_written() -> bool:
        return path.exists() and bool(path.read_text().strip())

    assert until(is_written), f"{path} has no process id"
    return int(path.read_text())
