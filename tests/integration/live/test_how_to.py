"""The programs of docs/how-to/hear-events-live.md run exactly as the page shows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.live import LiveProcess
from tests.servers.live_clients import NODE, Heard

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs/how-to/hear-events-live.md").read_text()
_LIBRARIES = _ROOT / ".venv/browser/node_modules"


def program(language: str, number: int = 0) -> str:
    """Return a program of the page."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    return str(found[number])


@contextmanager
def output(command: list[str | Path], environ: dict[str, str]) -> Iterator[Heard]:
    """Run a program, and yield its output by the first word of each line."""
    heard = Heard()
    with subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = process.stdout

        def read() -> None:
            for line in lines:
                word, _, rest = line.rstrip("\n").partition(" ")
                heard.add(word, rest)

        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield heard
        finally:
            process.kill()
            reading.join()


@pytest.mark.parametrize("language", ["js", "python"])
def test_hello_both_ways(live: LiveProcess, tenant: str, tmp_path: Path, language: str) -> None:
    """The program's hello gets a response, its ping is acknowledged, and it receives events."""
    (tmp_path / "node_modules").symlink_to(_LIBRARIES)
    script = tmp_path / {"js": "hello.mjs", "python": "hello.py"}[language]
    script.write_text(program(language))
    command = {"js": NODE, "python": Path(sys.executable)}[language]
    first = live.store(1, tenant=tenant)[0]
    environ = {"WHARF": live.url, "TOKEN": live.token(tid=tenant)}
    with output([command, script], environ) as heard:
        heard.wait("result", 2)
        heard.wait("answer")
        heard.wait("event")
        live.store(1, tenant=tenant)
        events = heard.wait("event", 2)
    assert events[0].startswith(f"{first} file.created file-")
    refused, taken = heard.of("result")
    assert "malformed-request" in refused
    assert "ping" in taken


def test_the_stream_by_curl(live: LiveProcess, tenant: str) -> None:
    """curl shows the ids, names and data of events."""
    first = live.store(1, tenant=tenant)[0]
    environ = {"WHARF": live.url, "TOKEN": live.token(tid=tenant)}
    # With `exec` the test ends curl itself and not only the shell.
    with output(["sh", "-c", f"exec {program('sh')}"], environ) as heard:
        heard.wait("data:")
    assert heard.of("id:") == [str(first)]
    assert heard.of("event:") == ["event"]


def test_the_stream_by_fetch(live: LiveProcess, tenant: str, tmp_path: Path) -> None:
    """A page that uses `fetch` receives the events."""
    first = live.store(1, tenant=tenant)[0]
    script = tmp_path / "page.mjs"
    script.write_text(program("js", 1))
    environ = {"WHARF": live.url, "TOKEN": live.token(tid=tenant)}
    with output([NODE, script], environ) as heard:
        assert heard.wait("event") == [f"{first} file.created"]
        live.store(1, tenant=tenant)
        heard.wait("event", 2)
