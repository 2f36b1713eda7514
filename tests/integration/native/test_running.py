"""`wharf run` with a real nginx and with dummies for the services."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers.nginx_pid import nginx_pid
from wharf_native.survivors import survivors

from .conftest import Wharf

Start = Callable[[], Wharf]


def test_the_order_of_the_stop(start: Start) -> None:
    """SIGTERM stops all services with exit code 0, and no process or socket remains."""
    wharf = start()
    wharf.wait_ready()
    assert wharf.end() == 0
    ends = [event for event in wharf.events if "end" in event]
    services = ("auth", "console", "images", "live", "upload", "worker")
    assert sorted(ends) == [f"end {name}" for name in services]
    assert wharf.processes == []
    assert wharf.sockets() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_stop_signals(start: Start, number: signal.Signals) -> None:
    """Ctrl-C and a closed terminal stop all services as SIGTERM does."""
    wharf = start()
    wharf.wait_ready()
    assert wharf.end(number) == 0
    assert "end upload" in wharf.events
    assert wharf.processes == []


def test_preparations_come_first(start: Start) -> None:
    """Databases are migrated and keys are made before any service starts."""
    wharf = start()
    wharf.wait_ready()
    first = [event for event in wharf.events if event.startswith("start ")][:2]
    assert set(first) == {"start wharf-auth init", "start wharf-upload migrate"}


def test_a_failing_preparation(start: Start, environment: dict[str, str]) -> None:
    """A migration that fails stops the start, and its last output is shown."""
    environment["DUMMY_FAILS"] = "wharf-upload migrate"
    wharf = start()
    assert wharf.process.wait(20) == 1
    assert "this dummy fails" in wharf.output
    assert "wharf: upload-migrate ended with exit code 1" in wharf.output
    assert "start auth" not in wharf.events


def test_a_store_whose_name_is_not_known(start: Start, environment: dict[str, str]) -> None:
    """The start waits for the object store's name, and ends with one line when the time is over."""
    environment["WHARF_BLOB_URL"] = "s3://bucket?endpoint=http://store.invalid"
    environment["WHARF_READY_SECONDS"] = "1"
    wharf = start()
    assert wharf.process.wait(30) == 1
    assert "waiting: no name server knows the object store store.invalid yet" in wharf.output
    assert "wharf: WHARF_BLOB_URL: no name server knows store.invalid" in wharf.output
    assert "start auth" not in wharf.events
    assert wharf.sockets() == []


def test_a_service_that_keeps_crashing(start: Start, environment: dict[str, str]) -> None:
    """A service that crashes five times in a row stops all services and shows its last output."""
    environment["DUMMY_FAILS"] = "auth"
    wharf = start()
    assert wharf.process.wait(30) == 1
    assert wharf.events.count("start auth") == 5
    assert "auth: this dummy fails" in wharf.output
    assert wharf.processes == []
    assert wharf.sockets() == []


def test_one_that_wharf_can_go_on_without(start: Start, environment: dict[str, str]) -> None:
    """A live channel that keeps failing stops no other service.

    The live channel's socket is closed, and the process manager starts it again from time to time.
    """
    environment["DUMMY_TRY_AGAIN_SECONDS"] = "1"
    wharf = start()
    fails = Path(f"{wharf.events_file}.fail-live")
    fails.touch()
    wharf.wait_ready()
    wharf.wait_until(lambda: "Wharf runs without it" in wharf.output, "the end of patience")
    assert "live: this dummy fails" in wharf.output
    wharf.wait_until(lambda: wharf.events.count("start live") >= 6, "another try")
    # The message appears once, for any number of tries.
    assert wharf.output.count("live keeps failing") == 1
    wharf.wait_until(lambda: "live.sock" not in wharf.sockets(), "the end of its socket")
    assert wharf.restart("live").returncode == 1
    assert wharf.restart("upload").returncode == 0
    assert "end auth" not in wharf.events
    fails.unlink()
    wharf.wait_until(lambda: "listening live" in wharf.events, "the live channel")
    assert "live.sock" in wharf.sockets()
    assert wharf.end() == 0
    assert wharf.sockets() == []


def test_a_killed_child_comes_back(start: Start) -> None:
    """nginx is started again after a kill, although its old socket files and pid file
    still exist.
    """
    wharf = start()
    wharf.wait_ready()
    os.kill(nginx_pid(wharf.places.nginx), signal.SIGKILL)
    wharf.wait_until(lambda: "starting it again" in wharf.output, "the restart")
    url = f"http://127.0.0.1:{wharf.environment['WHARF_PORT']}/"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    wharf.wait_until(answers, "an answer of the new nginx")
    assert wharf.end() == 0
    assert wharf.processes == []


def test_a_killed_supervisor_takes_its_children_along(start: Start) -> None:
    """If the process manager is killed, all processes that the process manager started end."""
    wharf = start()
    wharf.wait_ready()
    assert wharf.processes
    wharf.end(signal.SIGKILL)
    wharf.wait_until(lambda: not wharf.processes, "the end of the children")


def test_starting_again_after_a_kill(start: Start) -> None:
    """A start removes the leftovers of a killed run: sockets, processes,
    spool and metrics files.
    """
    first = start()
    first.wait_ready()
    leftovers = [
        Path(first.places.spool, "0000000001"),
        Path(first.places.metrics("auth"), "counter_1.db"),
    ]
    for leftover in leftovers:
        leftover.touch()
    # The process manager and nginx's master are killed at the same time, as with `pkill -9`, so no
    # master ends its workers.
    os.kill(first.process.pid, signal.SIGSTOP)
    masters = [nginx_pid(first.places.nginx)]
    for pid in (*masters, first.process.pid):
        os.kill(pid, signal.SIGKILL)
    first.process.wait()
    second = start()
    second.wait_ready()
    assert not any(leftover.exists() for leftover in leftovers)
    assert second.end() == 0
    assert second.processes == []


def test_a_second_run_on_the_same_data(start: Start, environment: dict[str, str]) -> None:
    """A second run on the same data is refused in one line, and the first run continues."""
    first = start()
    first.wait_ready()
    second = start()
    assert second.process.wait(20) == 1
    assert second.output.startswith(f"wharf: Wharf already runs on {environment['WHARF_DATA']}")
    assert second.output.count("\n") == 1
    assert first.processes
    assert first.end() == 0


def test_a_port_in_use(start: Start, environment: dict[str, str]) -> None:
    """A port in use is reported in one line, before any process starts."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(environment["WHARF_PORT"])))
        other.listen()
        wharf = start()
        assert wharf.process.wait(20) == 1
    assert f"port {environment['WHARF_PORT']}" in wharf.output
    assert wharf.output.count("\n") == 1
    assert not wharf.events_file.exists()


def test_draining_is_bounded(start: Start, environment: dict[str, str]) -> None:
    """A service that is not done after the drain time is killed."""
    environment["DUMMY_DRAIN_SECONDS"] = "60"
    environment["WHARF_DRAIN_SECONDS"] = "1"
    wharf = start()
    wharf.wait_ready()
    begin = time.monotonic()
    assert wharf.end() == 0
    assert time.monotonic() - begin < 15
    assert "end auth" not in wharf.events
    assert wharf.processes == []


def test_a_second_stop_signal(start: Start, environment: dict[str, str]) -> None:
    """A second Ctrl-C ends the drain."""
    environment["DUMMY_DRAIN_SECONDS"] = "60"
    environment["WHARF_DRAIN_SECONDS"] = "60"
    wharf = start()
    wharf.wait_ready()
    wharf.process.send_signal(signal.SIGINT)
    wharf.wait_until(lambda: "stopping" in wharf.output, "the stop")
    time.sleep(1.1)
    assert wharf.end(signal.SIGINT) == 0
    assert wharf.processes == []


def test_a_stop_signal_that_arrives_twice(start: Start, environment: dict[str, str]) -> None:
    """A stop signal that arrives twice within a second, as with `make`, does not
    end the drain early.
    """
    environment["DUMMY_DRAIN_SECONDS"] = "1.5"
    wharf = start()
    wharf.wait_ready()
    wharf.process.send_signal(signal.SIGTERM)
    wharf.wait_until(lambda: "stopping" in wharf.output, "the stop")
    assert wharf.end(signal.SIGTERM) == 0
    assert "is not done" not in wharf.output
    assert "end auth" in wharf.events


def test_a_long_data_path(start: Start, environment: dict[str, str], root: Path) -> None:
    """Sockets whose path would be too long are in a short directory, which the stop removes."""
    environment["WHARF_DATA"] = str(root / ("d" * 120))
    wharf = start()
    wharf.wait_ready()
    sockets = Path(wharf.places.sockets)
    found = sorted(path.name for path in sockets.glob("*.sock"))
    services = ("auth", "blobs", "console", "images", "live", "manager", "receiver", "upload")
    names = ("auth-secrets", *services)
    assert found == [f"{name}.sock" for name in names]
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert wharf.end() == 0
    assert not sockets.exists()


def test_data_is_closed_to_others(start: Start) -> None:
    """Other users of the machine cannot enter any folder of Wharf's data."""
    wharf = start()
    wharf.wait_ready()
    data = Path(wharf.places.data)
    for path in (data, *data.rglob("*")):
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_process_manager_is_small(start: Start) -> None:
    """The process manager has less than 24 MiB of memory that it does not share."""
    wharf = start()
    wharf.wait_ready()
    rollup = Path(f"/proc/{wharf.process.pid}/smaps_rollup").read_text()
    sizes = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    assert sizes["Private_Dirty:"] < 24 * 1024


def test_the_printed_commands_hold_no_secret(start: Start, environment: dict[str, str]) -> None:
    """The welcome names the file with the credentials, and does not print the secret in it."""
    data = Path(environment["WHARF_DATA"])
    data.mkdir(mode=0o700)
    secret = "not-to-be-printed"
    (data / "credentials.json").write_text(json.dumps({"client_secret": secret}))
    wharf = start()
    wharf.wait_ready()
    wharf.wait_until(lambda: wharf.output.count("\ncurl ") == 2, "the commands")
    assert f"{data}/credentials.json" in wharf.output
    assert secret not in wharf.output


@pytest.mark.parametrize("username", ["ada", None])
def test_who_logs_in(start: Start, environment: dict[str, str], username: str | None) -> None:
    """The welcome names the first person and the file with the password, or the
    command that makes a person.
    """
    data = Path(environment["WHARF_DATA"])
    data.mkdir(mode=0o700)
    person = {"username": username, "password": "not-to-be-printed"} if username else {}
    (data / "credentials.json").write_text(json.dumps({"demo": {"tenant": "demo", **person}}))
    wharf = start()
    wharf.wait_ready()
    wharf.wait_until(lambda: wharf.output.count("\ncurl ") == 2, "the commands")
    assert "/console/" in wharf.output
    assert "not-to-be-printed" not in wharf.output
    assert ("name ada" in wharf.output) == bool(username)
    assert ("wharf-auth user create demo" in wharf.output) != bool(username)


def test_a_socket_whose_file_was_removed(start: Start) -> None:
    """A restarted service opens a new socket when the file of its socket was removed."""
    wharf = start()
    wharf.wait_ready()
    path = Path(wharf.places.socket("upload"))
    path.unlink()
    assert wharf.restart("upload").returncode == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert wharf.end() == 0


def test_ctrl_c_while_a_service_is_about_to_be_started_again(start: Start) -> None:
    """If Wharf is stopped while a service waits for its next start, Wharf ends with exit code 0."""
    wharf = start()
    wharf.wait_ready()
    Path(f"{wharf.events_file}.fail").touch()
    assert wharf.restart("auth").returncode == 1
    for pid in survivors([wharf.places.log_file("auth")]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wharf.wait_until(lambda: "auth ended, starting it again" in wharf.output, "the end of auth")
    assert wharf.end(signal.SIGINT) == 0
    assert "in a row" not in wharf.output
