"""Restarts under load: no request fails, and no acknowledged file is lost.

The design demands that 20 nginx reloads, uWSGI reloads and TERMs cause no 5xx.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers.event_listener import EventListener
from tests.servers.mixed_load import MixedLoad, lost
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import ROOT, Wharf, running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import ALL_SCOPES, Signer

# The rounds in which the test also restarts another service.
OTHERS = {1: ("images",), 2: ("live",), 4: ("auth", "gateway")}


@pytest.fixture(scope="module")
def rolling() -> Iterator[Wharf]:
    """Start a Wharf whose streams have a short grace time, so that some streams exceed it."""
    with running(WHARF_STREAM_GRACE_SECONDS="1", WHARF_DRAIN_SECONDS="60") as found:
        yield found


@contextmanager
def under_load(wharf: Wharf, api: ApiClient | None = None) -> Iterator[MixedLoad]:
    """Run clients of all kinds while the context lasts, then check all responses and files."""
    api = api or Signer(wharf).client()
    load = MixedLoad(api)
    with load:
        yield load
        load.wait_for(1)
    assert load.faults == []
    assert lost(api, load.stored) == []
    assert all_bytes_are_right(wharf)


def all_bytes_are_right(wharf: Wharf) -> bool:
    """Read all files, and return whether their bytes match their records."""
    done = command(wharf, "wharf-upload", "check", "--read-all")
    assert "faults: 0" in done.stdout, done.stdout + done.stderr
    return done.returncode == 0


def command(wharf: Wharf, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on this Wharf's data."""
    return subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        env={**os.environ, "WHARF_DATA": str(wharf.data), "WHARF_PORT": str(wharf.port)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def restart(wharf: Wharf, *names: str) -> None:
    """Restart services with the command that an operator uses."""
    done = command(wharf, "wharf", "restart", *names)
    assert done.returncode == 0, done.stdout + done.stderr + wharf.output.read_text()


def master(wharf: Wharf, name: str) -> int:
    """Return the id of the newest process that the process manager has started for a service."""
    found = Path(f"/proc/{wharf.process.pid}/task/{wharf.process.pid}/children").read_text()
    own = set(wharf.processes(f"{name}.log"))
    return max(own & {int(pid) for pid in found.split()})


@pytest.mark.timeout(900)  # other tests run in parallel
def test_twenty_rounds(rolling: Wharf) -> None:
    """Twenty restarts of uWSGI and twenty reloads of nginx under load lose no request and no file.

    No connection ends before its response. An event listener receives each event once, in order.
    """
    before = master(rolling, "upload")
    api = Signer(rolling).client(scope=" ".join((*ALL_SCOPES, "events:read")))
    with EventListener(api) as listener:
        with under_load(rolling, api) as load:
            for number in range(20):
                restart(rolling, "upload", *OTHERS.get(number % 5, ()))
                nginx = master(rolling, "nginx")
                workers = gateway_workers(nginx)
                os.kill(nginx, signal.SIGHUP)
                assert until(lambda nginx=nginx, old=workers: gateway_workers(nginx) - old)
                assert load.faults == []
                assert listener.faults == []
        assert until(lambda: [one["id"] for one in listener.heard] == cursors(api))
    assert listener.streams > 4
    assert master(rolling, "upload") != before
    # If this number is 0, no stream has reached the end of its grace time.
    assert load.hung_up


def cursors(api: ApiClient) -> list[str]:
    """Return the cursors of all events in the list."""
    found: list[str] = []
    while True:
        after = found[-1] if found else "0"
        events = api.get(f"/v1/events?after={after}&limit=1000").json()["events"]
        if not events:
            return found
        found += [one["id"] for one in events]


def test_listeners_keep_no_old_workers(rolling: Wharf) -> None:
    """After a restart of the gateway nginx's old workers end, and an event listener reconnects."""
    with EventListener(Signer(rolling).client()) as listener:
        assert until(lambda: listener.streams == 1)
        before = gateway_workers(master(rolling, "nginx"))
        restart(rolling, "gateway")
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before))
        assert until(lambda: listener.streams > 1)


def gateway_workers(nginx: int) -> set[int]:
    """Return the ids of nginx's workers, without those whose title says that they shut down."""
    found = set()
    for text in Path(f"/proc/{nginx}/task/{nginx}/children").read_text().split():
        # A worker that has just ended has no title.
        with suppress(OSError):
            title = Path(f"/proc/{text}/cmdline").read_text()
            if "worker process" in title.partition("shutting")[0]:
                found.add(int(text))
    return found


def test_hup_of_uwsgi(rolling: Wharf) -> None:
    """uWSGI restarts in its own process on SIGHUP, with its packages, while requests wait."""
    upload = master(rolling, "upload")
    # A worker writes the first file. The master writes the second file
    # when it has also started the mule. A HUP before that moment would
    # not reach the mule, and uWSGI would wait for the mule forever.
    signs = [rolling.data / "run" / name for name in ("upload.ready", "upload.ready.term")]
    with under_load(rolling) as load:
        for number in range(2):
            for sign in signs:
                sign.unlink()
            os.kill(upload, signal.SIGHUP)
            # This time is longer than the time in which uWSGI expects a process to end.
            assert until(
                lambda wanted=number + 1: (
                    respawned(rolling) >= wanted and all(sign.exists() for sign in signs)
                ),
                180,
            )
            # The log names each process that uWSGI had to kill.
            assert load.faults == [], rolling.log("upload")[-3000:]
    assert master(rolling, "upload") == upload


def respawned(wharf: Wharf) -> int:
    """Return how often upload's uWSGI has restarted in its own process, as its log shows."""
    return wharf.log("upload").count("binary reloading uWSGI")
