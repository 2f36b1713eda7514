"""The commands of docs/tour.md and README.md work as they are on the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.code_blocks import blocks
from tests.servers.wharf.checkout_shell import run
from tests.servers.wharf.instance import ROOT, Wharf, running

TOUR = "docs/tour.md"
FIRST, LAST = "Use", "Self-description"
DEFAULT_URL, DEFAULT_DATA = "http://127.0.0.1:8080", "$PWD/var"
SECONDS = 60
# The client of Socket.IO runs until the test ends it.
LISTENING_SECONDS = 5


@pytest.fixture(scope="module")
def fresh() -> Iterator[Wharf]:
    """Run a separate Wharf, because the tour creates tenants with fixed names."""
    with running() as found:
        yield found


def headings() -> list[str]:
    """Return the headings of the page from the first section with commands to the last."""
    found = re.findall(r"^## (.+)$", (ROOT / TOUR).read_text(encoding="utf-8"), re.MULTILINE)
    return found[found.index(FIRST) : found.index(LAST) + 1]


def with_places(script: str, wharf: Wharf, temporary: Path) -> str:
    """Replace the URL, the data folder and /tmp in commands with those of a test."""
    for default, own in (
        ("/tmp/", f"{temporary}/"),
        (DEFAULT_URL, wharf.url),
        (DEFAULT_DATA, str(wharf.data)),
    ):
        script = script.replace(default, own)
    return script


def test_all_commands_in_the_order_of_the_page(fresh: Wharf, tmp_path: Path) -> None:
    """The commands of the tour succeed in the order of the page, and have the described effects."""
    commands = [block for heading in headings() for block in blocks(TOUR, heading)]
    assert len(commands) > 20
    printed = run(fresh, with_places("\n".join(commands), fresh, tmp_path))
    # For the text file named cat.png, and for the HTML file named dog.png.
    assert printed.count('"type":"/problems/type-not-allowed"') == 2
    assert "event: event\n" in printed
    assert '"display_name":"Acme"' in printed
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    assert (tmp_path / "overview.webp").read_bytes()[8:12] == b"WEBP"
    for name in ("upload.json", "auth.json"):
        assert json.loads((tmp_path / name).read_text())["openapi"].startswith("3.1")


def client(wharf: Wharf, heading: str, folder: Path, seconds: int) -> str:
    """Return the output of the page's Python client with a token of `demo`.

    Kill the client if it still runs after `seconds`.
    """
    token_of = next(block for block in blocks(TOUR, FIRST) if block.startswith("token()"))
    token = run(wharf, f'{token_of}\necho "$TOKEN"').splitlines()[-1]
    (script,) = blocks(TOUR, heading, "python")
    words = [sys.executable, "-u", "-c", f"token = {token!r}\n{with_places(script, wharf, folder)}"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0]
    assert process.returncode == 0, printed
    return printed


def test_the_client_of_tus(fresh: Wharf, tmp_path: Path) -> None:
    """The page's client of tus uploads a file in more than one request."""
    (tmp_path / "big.iso").write_bytes(os.urandom(9_000_000))
    client(fresh, "Resumable uploads", tmp_path, SECONDS)
    token_of = next(block for block in blocks(TOUR, FIRST) if block.startswith("token()"))
    listing = 'curl -sSf -H "Authorization: Bearer $TOKEN" "$WHARF/v1/files/default?prefix=big"'
    files = json.loads(run(fresh, f"{token_of}\n{listing}"))["files"]
    assert [(file["key"], file["size"]) for file in files] == [("big.iso", 9_000_000)]


def test_the_client_of_socket_io(fresh: Wharf, tmp_path: Path) -> None:
    """The page's client of Socket.IO prints an earlier event of the tenant."""
    use = blocks(TOUR, FIRST)
    token_of = next(block for block in use if block.startswith("token()"))
    upload = next(block for block in use if block.startswith("curl")).splitlines()[0]
    run(fresh, f"{token_of}\n{upload}")
    printed = client(fresh, "Hear what happens", tmp_path, LISTENING_SECONDS)
    assert "'kind': 'file.created'" in printed


def test_the_commands_of_readme(fresh: Wharf, tmp_path: Path) -> None:
    """README has the commands that `make run` prints; they upload and download a file."""
    start, commands = blocks("README.md", "Start")[:2]
    assert start == "make run\n"
    places = {DEFAULT_URL: fresh.url, '"var/': f'"{fresh.data}/'}
    for default, own in places.items():
        assert default in commands
        commands = commands.replace(default, own)
    output = fresh.output.read_text(encoding="utf-8").splitlines()
    assert commands.splitlines() == [
        line for line in output if line.startswith(("TOKEN=", "curl "))
    ]
    content = os.urandom(150_000).hex()
    (tmp_path / "README.md").write_text(content)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith(content)
