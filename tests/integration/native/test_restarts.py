"""`wharf restart` with a real nginx and with dummies for the services."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from wharf_native.survivors import survivors

from .conftest import Wharf

Start = Callable[[], Wharf]


@pytest.fixture
def wharf(start: Start) -> Wharf:
    """Return a process manager that is ready."""
    found = start()
    found.wait_ready()
    return found


def test_the_new_one_comes_before_the_old_one_goes(wharf: Wharf) -> None:
    """A restart ends the old process only after the new one serves, and
    leaves other services alone.
    """
    done = wharf.restart("upload")
    assert (done.returncode, done.stderr) == (0, "")
    wharf.wait_until(lambda: "end upload" in wharf.events, "the end of the old one")
    events = wharf.events
    second = len(events) - 1 - events[::-1].index("start upload")
    assert events.index("start upload") < second < events.index("end upload")
    assert events.count("start auth") == 1
    assert wharf.end() == 0
    assert wharf.processes == []
    assert wharf.sockets() == []


def test_all_of_them(wharf: Wharf) -> None:
    """Without a name `restart` replaces all services: upload before auth, so that upload
    understands new tokens before auth issues them.
    """
    done = wharf.restart()
    assert done.returncode == 0, done.stderr
    assert [line for line in wharf.output.splitlines() if "restarting" in line] == [
        "wharf: restarting upload",
        "wharf: restarting worker",
        "wharf: restarting auth",
        "wharf: restarting console",
        "wharf: restarting gateway",
        "wharf: restarting images",
        "wharf: restarting live",
    ]
    url = f"http://127.0.0.1:{wharf.environment['WHARF_PORT']}/"
    with urllib.request.urlopen(url, timeout=20) as reply:
        assert reply.status == 200
    assert wharf.end() == 0
    assert wharf.processes == []


def test_a_new_one_that_fails(wharf: Wharf) -> None:
    """When the new process fails, its last output is shown and the old process continues."""
    Path(f"{wharf.events_file}.fail").touch()
    done = wharf.restart("upload")
    assert done.returncode == 1
    assert "the new process of upload does not start; the old process keeps running" in done.stderr
    assert "upload: this dummy fails" in wharf.output
    assert "end upload" not in wharf.events
    Path(f"{wharf.events_file}.fail").unlink()
    assert wharf.restart("upload").returncode == 0
    assert wharf.end() == 0


def test_a_wrong_configuration(wharf: Wharf, root: Path) -> None:
    """If nginx refuses its configuration, nginx is not restarted, and the old gateway continues."""
    template = root / "deploy/nginx/nginx.conf.template"
    template.write_text("nonsense;")
    done = wharf.restart("gateway")
    assert done.returncode == 1
    assert "gateway-check ended with exit code 1" in done.stderr
    assert 'unknown directive "nonsense"' in wharf.output
    url = f"http://127.0.0.1:{wharf.environment['WHARF_PORT']}/"
    with urllib.request.urlopen(url, timeout=20) as reply:
        assert reply.status == 200


def test_what_cannot_be_restarted(wharf: Wharf) -> None:
    """`restart` refuses an unknown name with the list of names, and refuses when no Wharf runs."""
    assert (
        "cannot restart nginx; choose from upload, worker, auth, console, gateway, images, live"
        in wharf.restart("nginx").stderr
    )
    assert wharf.end() == 0
    assert f"no Wharf runs on {wharf.places.data}" in wharf.restart().stderr


def test_many_that_fail(wharf: Wharf) -> None:
    """Several failed restarts in a row do not affect the old process."""
    Path(f"{wharf.events_file}.fail").touch()
    for _ in range(6):
        assert wharf.restart("upload").returncode == 1
    assert wharf.process.poll() is None
    assert "end upload" not in wharf.events
    Path(f"{wharf.events_file}.fail").unlink()
    assert wharf.restart("upload").returncode == 0
    assert wharf.end() == 0


def test_while_it_crashes(wharf: Wharf) -> None:
    """`wharf restart` immediately starts a service that has crashed, and does not wait for its next
    automatic start.
    """
    Path(f"{wharf.events_file}.fail").touch()
    for pid in survivors([wharf.places.log_file("upload")]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wharf.wait_until(lambda: "upload ended" in wharf.output, "the end of upload")
    Path(f"{wharf.events_file}.fail").unlink()
    assert wharf.restart("upload").returncode == 0
    wharf.wait_until(lambda: bool(survivors([wharf.places.log_file("upload")])), "upload")
    assert wharf.end() == 0
