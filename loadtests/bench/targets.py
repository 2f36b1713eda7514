"""All compared servers, by their names on the command line."""

from __future__ import annotations

from pathlib import Path

from loadtests.bench.peers import PEERS, peer
from loadtests.bench.servers import FULL, NGINX, RELAXED, Nginx, Server, Wharf

OWN = (NGINX, RELAXED, FULL)
TARGETS = (*OWN, *PEERS)


def server(target: str, folder: Path) -> Server:
    """Return a server that is not started."""
    if target == NGINX:
        return Nginx(folder)
    return Wharf(folder, target) if target in OWN else peer(target, folder)
