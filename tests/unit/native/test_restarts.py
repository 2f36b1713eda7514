"""`wharf restart` with nginx and dummy services."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from wharf_native import preloading

from .conftest import Wharf

Start = Callable[[], Wharf]


@pytest.fixture
def wharf(start: Start) -> Wharf:
    """One that is ready."""
    found = start()
    found.wait_ready()
    return found


def test_the_new_one_comes_before_the_old_one_goes(wharf: Wharf) -> None:
    """A service's new process serves before the old one is told to end; the others go on."""
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
    """Without a name, upload, auth and the gateway are replaced, in this order: whoever verifies
    tokens knows what is new in them before it is issued.
    """
    done = wharf.restart()
    assert done.returncode == 0, done.stderr
    assert [line for line in wharf.output.splitlines() if "restarting" in line] == [
        "wharf: restarting upload",
        "wharf: restarting auth",
        "wharf: restarting gateway",
    ]
    url = f"http://127.0.0.1:{wharf.environment['WHARF_PORT']}/"
    with urllib.request.urlopen(url, timeout=20) as reply:
        assert reply.status == 200
    assert wharf.end() == 0
    assert wharf.processes == []


def test_a_new_one_that_fails(wharf: Wharf) -> None:
    """A new process that does not come up changes nothing: its last words, and the old goes on."""
    Path(f"{wharf.events_file}.fail").touch()
    done = wharf.restart("upload")
    assert done.returncode == 1
    assert "the new upload ended with exit code 1; the old one goes on" in done.stderr
    assert "upload: this dummy fails" in wharf.output
    assert "end upload" not in wharf.events
    Path(f"{wharf.events_file}.fail").unlink()
    assert wharf.restart("upload").returncode == 0
    assert wharf.end() == 0


def test_a_wrong_configuration(wharf: Wharf, root: Path) -> None:
    """A configuration that nginx refuses is not tried: the old gateway goes on."""
    template = root / "deploy/nginx/nginx.conf.template"
    template.write_text("nonsense;")
    done = wharf.restart("gateway")
    assert done.returncode == 1
    assert "nginx-check ended with exit code 1" in done.stderr
    assert 'unknown directive "nonsense"' in wharf.output
    url = f"http://127.0.0.1:{wharf.environment['WHARF_PORT']}/"
    with urllib.request.urlopen(url, timeout=20) as reply:
        assert reply.status == 200


def test_what_cannot_be_restarted(wharf: Wharf) -> None:
    """A name that is none is refused with those that are; so is a Wharf that does not run."""
    assert (
        "cannot restart nginx; choose from upload, auth, gateway" in wharf.restart("nginx").stderr
    )
    assert wharf.end() == 0
    assert f"no Wharf runs on {wharf.places.data}" in wharf.restart().stderr


def test_code_that_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported files that are written to, replaced or gone are not current any more."""
    file = tmp_path / "module.py"
    file.write_text("1")
    monkeypatch.setattr(preloading, "_imported", [str(file)])
    monkeypatch.setattr(preloading, "_looked", [preloading._look([str(file)])])
    assert preloading.is_current()
    other = tmp_path / "other.py"
    other.write_text("2")
    os.utime(other, ns=(file.stat().st_mtime_ns, file.stat().st_mtime_ns))
    other.rename(file)
    assert not preloading.is_current()
    file.unlink()
    assert not preloading.is_current()
