"""All servers that are compared, by the names under which the command line knows them."""

from __future__ import annotations

from pathlib import Path

from loadtests.bench.peers import PEERS, peer
from loadtests.bench.servers import FULL, NGINX, RELAXED, Nginx, Server, Wharf

OWN = (NGINX, RELAXED, FULL)
TARGETS = (*OWN, *PEERS)


def server(target: str, folder: Path) -> Server:
    """A server that has not been started yet."""
    if target == NGINX:
        return Nginx(folder)
    return Wharf(folder, target) if target in OWN else peer(target, folder)
