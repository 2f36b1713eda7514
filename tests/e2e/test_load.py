"""The load test: `make load` and the stock `locust` command, against a real Wharf."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_port
from tests.servers.wharf.instance import ROOT, Wharf
from tests.servers.wharf.tenants import Tenants

# Enough time for a busy machine. On an idle machine a smoke run takes 20 s.
_PATIENCE_SECONDS = 280
_LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests/locustfile.py")]


def _environ(wharf: Wharf, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    return {**kept, "WHARF_DATA": str(wharf.data), **settings}


def _load(wharf: Wharf, report: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests.load"],
        env=_environ(wharf, **{"HOST": wharf.url, "REPORT": str(report), **settings}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )


class Locust:
    """A running process of the `locust` command. `folder` keeps its output."""

    def __init__(self, wharf: Wharf, folder: Path, *options: str) -> None:
        self._output = folder / f"{len(list(folder.iterdir()))}.log"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [*_LOCUST, *options],
                env=_environ(wharf),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        """Return the output of the process so far."""
        return self._output.read_text(encoding="utf-8")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true; fail if the process ends or the time is over first."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def end(self, sent: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and return the exit status."""
        if sent:
            self.process.send_signal(sent)
        return self.process.wait(_PATIENCE_SECONDS)


@pytest.fixture
def locust(wharf: Wharf, tmp_path: Path) -> Iterator[Callable[..., Locust]]:
    """Return a function that starts locust in a temporary folder; kill its processes at the end."""
    started: list[Locust] = []

    def start(*options: str) -> Locust:
        started.append(Locust(wharf, tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@contextmanager
def _new_tenants(tenants: Tenants) -> Iterator[dict[str, str]]:
    """Yield a mapping; after the block it has the states of load tenants that the block made."""
    found: dict[str, str] = {}
    before = _load_tenants(tenants)
    yield found
    found.update({k: v for k, v in _load_tenants(tenants).items() if k not in before})


def _load_tenants(tenants: Tenants) -> dict[str, str]:
    listed = tenants.admin.get("/auth/v1/tenants?limit=1000").json()["tenants"]
    return {one["tenant"]: one["state"] for one in listed if one["tenant"].startswith("load-")}


def test_smoke(wharf: Wharf, tenants: Tenants, tmp_path: Path) -> None:
    """`make load` sends each kind of request, writes a report, and deletes its tenants."""
    report = tmp_path / "smoke.html"
    with _new_tenants(tenants) as made:
        done = _load(wharf, report, SHAPE="smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "load: all thresholds held" in done.stderr
    assert "GET by link" in report.read_text(encoding="utf-8")
    assert made
    assert set(made.values()) == {"deleted"}


def test_a_missed_threshold_fails_the_run(wharf: Wharf, tmp_path: Path) -> None:
    """A run that misses a threshold ends with status 1 and a line with the threshold's name."""
    done = _load(
        wharf,
        tmp_path / "short.html",
        SHAPE="average",
        WHARF_LOAD_SECONDS="2",
        WHARF_LOAD_USERS="4",
        WHARF_LOAD_P99_MS="1000000",
        WHARF_LOAD_REQUESTS_PER_SECOND="1000000",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [one for one in done.stderr.splitlines() if "load: missed" in one]
    assert "throughput" in line
    assert "WHARF_LOAD_REQUESTS_PER_SECOND" in line


@pytest.mark.parametrize(
    ("setting", "value", "hint"),
    [("HOST", "http://127.0.0.1:1", "is Wharf running"), ("SHAPE", "big", "average', 'smoke'")],
)
def test_a_run_that_cannot_begin_says_why(
    wharf: Wharf, tmp_path: Path, setting: str, value: str, hint: str
) -> None:
    """A run without a Wharf, or with an unknown shape, ends with status 2 and advice."""
    done = _load(wharf, tmp_path / "none.html", **{setting: value})
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = [one for one in done.stderr.splitlines() if value in one]
    assert hint in line


def test_headless_locust_removes_its_tenants_after_ctrl_c(
    wharf: Wharf, tenants: Tenants, locust: Callable[..., Locust]
) -> None:
    """After Ctrl-C a headless `locust` checks its thresholds and deletes its tenants."""
    with _new_tenants(tenants) as made:
        run = locust("--host", wharf.url, "--headless", "-u", "6", "-r", "6")
        run.wait_for(lambda: "PUT small" in run.output)
        assert run.end(signal.SIGINT) == 0, run.output
    assert "load: all thresholds held" in run.output
    assert made
    assert set(made.values()) == {"deleted"}


def test_ctrl_c_is_never_swallowed() -> None:
    """Ctrl-C ends the load test even if it arrives where a user catches every exception."""
    script = """
import os, signal, gevent
from loadtests.load import hooks
def user():
    while True:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            gevent.sleep(0.01)
        except BaseException:
            pass
hooks.interrupt_main(signal.SIGINT)
gevent.spawn(user)
try:
    gevent.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.stdout == "interrupted\n"


def test_the_web_page_starts_and_stops_tests(
    wharf: Wharf, tenants: Tenants, locust: Callable[..., Locust]
) -> None:
    """The web page lists the user classes and runs two tests, each with new tenants."""
    port = str(free_port())
    page = locust(
        *("--host", wharf.url, "--class-picker"), *("--web-host", "127.0.0.1", "--web-port", port)
    )
    page.wait_for(lambda: _page(port) is not None)
    shown = _page(port) or ""
    assert all(name in shown for name in ("Service", "Archive", "Mobile", "Noisy", "Soak"))
    assert "credentials" not in shown
    for number, chosen in enumerate(([], ["Reader", "Service"]), 1):
        with _new_tenants(tenants) as made:
            fields = [("user_count", "5"), ("spawn_rate", "5"), ("host", wharf.url)]
            answer = _post(port, "swarm", [*fields, *(("user_classes", one) for one in chosen)])
            assert answer["success"], answer
            page.wait_for(partial(_has_spawned, page, number))
            page.wait_for(lambda: "PUT small" in (_page(port, "stats/requests/csv") or ""))
            page.wait_for(
                lambda: json.loads(_page(port, "stats/requests") or "{}")["user_count"] > 0
            )
            assert _post(port, "stop", [])["success"]
        assert made, page.output
        assert set(made.values()) == {"deleted"}, page.output
    assert page.output.count("load: all thresholds held") == 2, page.output
    assert page.end(signal.SIGTERM) == 0, page.output


def test_two_workers_share_the_users_of_a_master(
    wharf: Wharf, tenants: Tenants, locust: Callable[..., Locust]
) -> None:
    """A master gives its tenants to two workers, gets their reports, and all end with status 0."""
    port = str(free_port())
    with _new_tenants(tenants) as made:
        master = locust(
            *("--host", wharf.url, "--headless", "--master", "--master-bind-host", "127.0.0.1"),
            *("--master-bind-port", port, "--expect-workers", "2", "-u", "8", "-r", "8"),
        )
        workers = [locust("--worker", "--master-port", port) for _ in range(2)]
        master.wait_for(lambda: "PUT small" in master.output)
        assert master.end(signal.SIGTERM) == 0, master.output
    assert "load: all thresholds held" in master.output
    for worker in workers:
        assert worker.end() == 0, worker.output
    assert made
    assert set(made.values()) == {"deleted"}


def _has_spawned(page: Locust, times: int) -> bool:
    return page.output.count("All users spawned") == times


def _page(port: str, path: str = "") -> str | None:
    """Return a page of locust's web server, or None while the server does not listen."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as found:
            return str(found.read().decode())
    except OSError:
        return None


def _post(port: str, path: str, fields: list[tuple[str, str]]) -> dict[str, Any]:
    body = urllib.parse.urlencode(fields).encode()
    url = f"http://127.0.0.1:{port}/{path}"
    with urllib.request.urlopen(url, body, timeout=_PATIENCE_SECONDS) as found:
        return dict(json.load(found))


def test_noise_is_measured() -> None:
    """`loadtests.noisy` measures quiet tenants next to each kind of noise, and counts responses."""
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "loadtests.noisy",
            *["--seconds=2", "--rounds=1", "--calm=0", "--most=inf"],
        ],
        env=kept,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("all requests", "floods 201", "logins 200", "transfers MB up"):
        assert said in done.stdout
