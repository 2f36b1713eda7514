"""Restarts under load: nothing fails, and nothing that was acknowledged is lost.

The paper on reliability: nginx reload, uWSGI reload, TERM; zero 5xx over 20 of them.
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

# What else is restarted in a round, by the number of the round.
OTHERS = {1: ("images",), 2: ("live",), 4: ("auth", "gateway")}


@pytest.fixture(scope="module")
def rolling() -> Iterator[Wharf]:
    """A Wharf whose streams get little time, so that some of them meet the end of it."""
    with running(WHARF_STREAM_GRACE_SECONDS="1", WHARF_DRAIN_SECONDS="60") as found:
        yield found


@contextmanager
def under_load(wharf: Wharf, api: ApiClient | None = None) -> Iterator[MixedLoad]:
    """Clients of all kinds meanwhile, and afterwards a look at what they were told."""
    api = api or Signer(wharf).client()
    load = MixedLoad(api)
    with load:
        yield load
        load.wait_for(1)
    assert load.faults == []
    assert lost(api, load.stored) == []
    assert all_bytes_are_right(wharf)


def all_bytes_are_right(wharf: Wharf) -> bool:
    """Whether each file's bytes are those of its record, read anew."""
    done = command(wharf, "wharf-upload", "check", "--read-all")
    assert "faults: 0" in done.stdout, done.stdout + done.stderr
    return done.returncode == 0


def command(wharf: Wharf, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command on this Wharf's data."""
    return subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        env={**os.environ, "WHARF_DATA": str(wharf.data), "WHARF_PORT": str(wharf.port)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def restart(wharf: Wharf, *names: str) -> None:
    """As an operator does it."""
    done = command(wharf, "wharf", "restart", *names)
    assert done.returncode == 0, done.stdout + done.stderr + wharf.output.read_text()


def master(wharf: Wharf, name: str) -> int:
    """The process that the supervisor has started for a child and that is to stay."""
    found = Path(f"/proc/{wharf.process.pid}/task/{wharf.process.pid}/children").read_text()
    own = set(wharf.processes(f"{name}.log"))
    return max(own & {int(pid) for pid in found.split()})


@pytest.mark.timeout(900)  # other tests run beside it
def test_twenty_rounds(rolling: Wharf) -> None:
    """20 restarts of uWSGI and 20 reloads of nginx, and some of the others, under load: no request
    fails, no connection ends before its answer, no file is lost. Who listens to events hears each
    of them once, and in order.
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
    # Otherwise the end of the streams' time was never met.
    assert load.hung_up


def cursors(api: ApiClient) -> list[str]:
    """Of all events that the list has."""
    found: list[str] = []
    while True:
        after = found[-1] if found else "0"
        events = api.get(f"/v1/events?after={after}&limit=1000").json()["events"]
        if not events:
            return found
        found += [one["id"] for one in events]


def test_listeners_keep_no_old_workers(rolling: Wharf) -> None:
    """After a restart of the gateway nginx's old workers end though somebody listens, who comes
    back by the new ones.
    """
    with EventListener(Signer(rolling).client()) as listener:
        assert until(lambda: listener.streams == 1)
        before = gateway_workers(master(rolling, "nginx"))
        restart(rolling, "gateway")
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before))
        assert until(lambda: listener.streams > 1)


def gateway_workers(nginx: int) -> set[int]:
    """nginx's workers; those that leave say so in their title."""
    found = set()
    for text in Path(f"/proc/{nginx}/task/{nginx}/children").read_text().split():
        # One that ends right now has no title any more.
        with suppress(OSError):
            title = Path(f"/proc/{text}/cmdline").read_text()
            if "worker process" in title.partition("shutting")[0]:
                found.add(int(text))
    return found


def test_hup_of_uwsgi(rolling: Wharf) -> None:
    """uWSGI that is told HUP starts anew in its own place, with its packages; requests wait."""
    upload = master(rolling, "upload")
    # A worker writes the first, the master the second when it has started the mule, too. A HUP
    # before that would not reach the mule, and uWSGI would wait for it without an end.
    signs = [rolling.data / "run" / name for name in ("upload.ready", "upload.ready.term")]
    with under_load(rolling) as load:
        for number in range(2):
            for sign in signs:
                sign.unlink()
            os.kill(upload, signal.SIGHUP)
            # Longer than the mercy that a process has which does not end by itself.
            assert until(
                lambda wanted=number + 1: (
                    respawned(rolling) >= wanted and all(sign.exists() for sign in signs)
                ),
                180,
            )
            # uWSGI says there which process did not end by itself.
            assert load.faults == [], rolling.log("upload")[-3000:]
    assert master(rolling, "upload") == upload


def respawned(wharf: Wharf) -> int:
    """How often a uWSGI of upload has started in its own place, as its log tells."""
    return wharf.log("upload").count("binary reloading uWSGI")
