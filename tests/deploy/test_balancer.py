"""The balancer of two replicas, and its settings for proxies in front of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy/nginx/balancer.sh"
# The map from a client's address to the network by which limits count the client. The comparison
# ignores the names of groups and variables.
_OF_NETWORKS = re.compile(r"map \$binary_remote_addr \$\w+ \{(.*?)\}\n", re.DOTALL)
_NAMES = re.compile(r"\?<\w+>| \$\w+;")


def start(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run balancer.sh with a program named nginx that prints its arguments."""
    program = folder / "nginx"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o700)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "BALANCER_RUN": str(folder), **settings}
    return subprocess.run(
        ["sh", SCRIPT, "-t"], env=environ, capture_output=True, text=True, check=False
    )


def written(folder: Path) -> tuple[str, str]:
    """Return the addresses without a connection limit, and the `listen` lines for clients."""
    return (folder / "proxies.conf").read_text(), (folder / "listen.conf").read_text()


def patterns(path: str) -> list[str]:
    """Return the patterns by which a configuration maps an address to a network."""
    found = _OF_NETWORKS.search((ROOT / "deploy/nginx" / path).read_text())
    assert found is not None
    return [_NAMES.sub("", line.strip()) for line in found[1].strip().splitlines()]


def test_networks_are_the_gateways() -> None:
    """The balancer counts clients by the same networks as the gateway."""
    gateways = patterns("conf.d/client_address.conf.template")
    assert len(gateways) == 3
    assert patterns("balancer.conf") == gateways
    text = (ROOT / "deploy/nginx/balancer.conf").read_text()
    assert re.search(r"limit_conn_zone \$client ", text)
    assert re.search(r"map \$is_proxy \$client \{\n +default \$network;", text)


def test_without_proxies(tmp_path: Path) -> None:
    """Without trusted proxies each address has a connection limit, and no PROXY line is read."""
    assert start(tmp_path).stdout == "-e stderr -c /etc/nginx/balancer.conf -t\n"
    assert written(tmp_path) == ("", "listen 8080 backlog=4096 reuseport;\n")


def test_proxies_with_a_field(tmp_path: Path) -> None:
    """Trusted proxies that send a field have no connection limit. The balancer reads no PROXY line,
    because the gateways read the field.
    """
    start(tmp_path, WHARF_TRUSTED_PROXIES="192.0.2.7, 2001:db8::/32,")
    assert written(tmp_path) == (
        "192.0.2.7 1;\n2001:db8::/32 1;\n",
        "listen 8080 backlog=4096 reuseport;\n",
    )


def test_proxies_with_a_line(tmp_path: Path) -> None:
    """The PROXY line states the client's address, and only trusted proxies may send one."""
    start(tmp_path, WHARF_TRUSTED_PROXIES="192.0.2.7", WHARF_PROXY_HEADER="PROXY")
    listen = "listen 8080 backlog=4096 reuseport proxy_protocol;\nset_real_ip_from 192.0.2.7;\n"
    assert written(tmp_path) == ("192.0.2.7 1;\n", listen)


@pytest.mark.parametrize("word", ["proxy.example.net", "10.0.0.1;", "10.0.0.1{}", "$(id)", "*"])
def test_what_is_no_address(tmp_path: Path, word: str) -> None:
    """An invalid trusted address prevents the start, with an error line that names the address."""
    done = start(tmp_path, WHARF_TRUSTED_PROXIES=f"192.0.2.7,{word}")
    assert done.returncode == 1
    assert done.stderr.startswith("wharf: WHARF_TRUSTED_PROXIES: '")
    assert written(tmp_path)[0] == "192.0.2.7 1;\n"
