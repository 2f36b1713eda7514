"""The commands of docs/tour.md and README.md work as they are on the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.code_blocks import blocks
from tests.servers.wharf.checkout_shell import run
from tests.servers.wharf.instance import ROOT, Wharf, running

TOUR = "docs/tour.md"
FIRST, LAST = "Use", "Self-description"
DEFAULT_URL, DEFAULT_DATA = "http://127.0.0.1:8080", "$PWD/var"
SECONDS = 60


@pytest.fixture(scope="module")
def fresh() -> Iterator[Wharf]:
    """Run a separate Wharf, because the tour creates tenants with fixed names."""
    with running() as found:
        yield found


def headings() -> list[str]:
    """Return the page's headings between the first and the last section with commands."""
    found = re.findall(r"^## (.+)$", (ROOT / TOUR).read_text(encoding="utf-8"), re.MULTILINE)
    return found[found.index(FIRST) : found.index(LAST) + 1]


def with_places(script: str, wharf: Wharf, temporary: Path) -> str:
    """Replace the URL, the data folder and /tmp in commands with the places of a test."""
    for default, own in (
        ("/tmp/", f"{temporary}/"),
        (DEFAULT_URL, wharf.url),
        (DEFAULT_DATA, str(wharf.data)),
    ):
        script = script.replace(default, own)
    return script


def test_all_commands_in_the_order_of_the_page(fresh: Wharf, tmp_path: Path) -> None:
    """The tour's commands succeed in the order of the page, and print or save what it describes."""
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


@contextmanager
def client(wharf: Wharf, heading: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the page's Python client with a token of `demo`; kill it after the test or a minute."""
    token_of = next(block for block in blocks(TOUR, FIRST) if block.startswith("token()"))
    token = run(wharf, f'{token_of}\necho "$TOKEN"').splitlines()[-1]
    (script,) = blocks(TOUR, heading, "python")
    words = [sys.executable, "-u", "-c", f"token = {token!r}\n{with_places(script, wharf, folder)}"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def test_the_client_of_tus(fresh: Wharf, tmp_path: Path) -> None:
    """The page's client of tus uploads a file of 9 MB completely."""
    (tmp_path / "big.iso").write_bytes(os.urandom(9_000_000))
    with client(fresh, "Resumable uploads", tmp_path) as process:
        assert process.wait() == 0
    token_of = next(block for block in blocks(TOUR, FIRST) if block.startswith("token()"))
    listing = 'curl -sSf -H "Authorization: Bearer $TOKEN" "$WHARF/v1/files/default?prefix=big"'
    files = json.loads(run(fresh, f"{token_of}\n{listing}"))["files"]
    assert ("big.iso", 9_000_000) in [(file["key"], file["size"]) for file in files]


def test_the_client_of_socket_io(fresh: Wharf, tmp_path: Path) -> None:
    """The page's client of Socket.IO prints an earlier event of the tenant."""
    use = blocks(TOUR, FIRST)
    token_of = next(block for block in use if block.startswith("token()"))
    upload = next(block for block in use if block.startswith("curl")).splitlines()[0]
    run(fresh, f"{token_of}\n{upload}")
    with client(fresh, "Hear what happens", tmp_path) as process:
        assert process.stdout
        # The client never ends. If no event arrives, the
        # timer kills the client, and its output ends.
        assert any("'kind': 'file.created'" in line for line in process.stdout)


def test_the_commands_of_readme(fresh: Wharf, tmp_path: Path) -> None:
    """README has the commands that `make run` prints. The commands upload and download a file."""
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
