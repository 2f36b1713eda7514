"""A checkout whose services are dummies, and a process manager that runs the dummies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers.ports import free_ports
from wharf_native.places import Places
from wharf_native.survivors import survivors

CHILDREN = ("nginx", "auth", "upload", "worker", "console", "live", "images")

# A dummy for wharf-auth, wharf-upload, wharf-images and uwsgi. It records its events, and has a
# child process. When the dummy stops, it ends the child process.
DUMMY = """#!{python}
import os, signal, sys, time

def note(what):
    with open(os.environ["DUMMY_EVENTS"], "a") as events:
        events.write(what + " " + name + "\\n")

program, *arguments = os.path.basename(sys.argv[0]), *sys.argv[1:]
name = arguments[-1].split("/")[-2] if program == "uwsgi" else program + " " + arguments[0]
names = {"upload live": "live", "upload worker": "worker", "images serve": "images"}
name = names.get(name.removeprefix("wharf-"), name)
serves = " " not in name
note("start")
told = serves and os.path.exists(os.environ["DUMMY_EVENTS"] + ".fail")
told = told or os.path.exists(os.environ["DUMMY_EVENTS"] + ".fail-" + name)
if os.environ.get("DUMMY_FAILS") == name or told:
    sys.exit("this dummy fails")
if arguments[0] in ("migrate", "init"):
    sys.exit()
helper = os.fork()

def stop(number, frame):
    if helper:
        if number == signal.SIGTERM:
            # Like uWSGI, the dummy ignores a second request to end.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(float(os.environ.get("DUMMY_DRAIN_SECONDS", "0")))
        note("fast end" if number == signal.SIGQUIT else "end")
        os.kill(helper, signal.SIGKILL)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGQUIT, stop)
if helper:
    note("listening")
if serves and helper:
    for path in (os.environ["WHARF_READY_FILE"], os.environ["WHARF_READY_FILE"] + ".term"):
        with open(path, "w") as ready:
            ready.write("ready")
while True:
    signal.pause()
"""

NGINX = """
${WHARF_NGINX_USER}
worker_processes 1;
pid ${WHARF_RUN}/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path ${WHARF_SPOOL};
    proxy_temp_path ${WHARF_RUN}/proxy;
    fastcgi_temp_path ${WHARF_RUN}/fastcgi;
    uwsgi_temp_path ${WHARF_RUN}/uwsgi;
    scgi_temp_path ${WHARF_RUN}/scgi;
    server {
        listen ${WHARF_LISTEN};
        ${WHARF_HOSTS}
        location / { return 200 "{}"; }
    }
    server {
        listen ${WHARF_METRICS_LISTEN};
        location / { return 200 ""; }
    }
    server {
        listen ${WHARF_BLOBS_SOCKET};
        location / { return 200 ""; }
    }
}
"""

RESTART = """
import sys
from wharf_native import cli
root = sys.argv[1]
cli.checkout = lambda: root
sys.argv[1:] = ["restart", *sys.argv[2:]]
cli.main()
"""

START = """
import os, signal, sys
# SIGHUP works as in a terminal, even when the tests run under nohup.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from wharf_native import absences, cli
absences.TRY_AGAIN_SECONDS = float(os.environ.get("DUMMY_TRY_AGAIN_SECONDS", "60"))
root = sys.argv[1]
cli.checkout = lambda: root
sys.argv[1:] = ["run"]
cli.main()
"""


class Wharf:
    """One process manager on a fake checkout, which runs as `make run` starts it."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.events_file = root / "events"
        self.places = Places(environment["WHARF_DATA"], environment)
        self.environment = environment
        self.output_file = root / f"output-{time.monotonic_ns()}"
        with self.output_file.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, str(root)],
                env={**os.environ, **environment, "DUMMY_EVENTS": str(self.events_file)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    @property
    def events(self) -> list[str]:
        return self.events_file.read_text().splitlines()

    @property
    def processes(self) -> list[int]:
        """Return the ids of the processes that the process manager or its children started."""
        return survivors(self.places.log_file(name) for name in CHILDREN)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen:\n{self.output}"
            time.sleep(0.02)

    def wait_ready(self) -> None:
        def ready_or_ended() -> bool:
            return "wharf: ready at" in self.output or self.process.poll() is not None

        self.wait_until(ready_or_ended, "readiness")
        assert self.process.poll() is None, self.output
        if not list(self.events_file.parent.glob("events.fail-*")):
            # nginx may be ready before the other services can handle SIGTERM.
            self.wait_until(lambda: str(self.events).count("listening") >= 5, "all to listen")

    def restart(self, *names: str) -> subprocess.CompletedProcess[str]:
        """Run `wharf restart`."""
        return subprocess.run(
            [sys.executable, "-c", RESTART, str(self.events_file.parent), *names],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the process manager's exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def sockets(self) -> list[str]:
        directories = {self.places.run, self.places.sockets}
        return [
            name
            for directory in directories
            if os.path.isdir(directory)
            for name in os.listdir(directory)
            if name.endswith(".sock")
        ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder that looks like a checkout, with dummies for all programs except nginx."""
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("wharf-auth", "wharf-images", "wharf-upload", "uwsgi"):
        (programs / name).write_text(DUMMY.replace("{python}", sys.executable))
        (programs / name).chmod(0o755)
    templates = tmp_path / "deploy/nginx"
    templates.mkdir(parents=True)
    (templates / "nginx.conf.template").write_text(NGINX)
    return tmp_path


@pytest.fixture
def environment(root: Path) -> dict[str, str]:
    """Return the process manager's environment. A test may add variables before
    it starts a process manager.
    """
    port, metrics_port = free_ports()
    return {
        "WHARF_DATA": str(root / "data"),
        "WHARF_PORT": str(port),
        "WHARF_METRICS_PORT": str(metrics_port),
        "WHARF_DRAIN_SECONDS": "10",
    }


@pytest.fixture
def start(root: Path, environment: dict[str, str]) -> Iterator[Callable[[], Wharf]]:
    """Yield a function that starts a process manager, and afterwards end all processes
    that a failed test left.
    """
    started: list[Wharf] = []

    def begin() -> Wharf:
        started.append(Wharf(root, environment))
        return started[-1]

    yield begin
    for wharf in started:
        wharf.process.kill()
        wharf.process.wait()
        for pid in wharf.processes:
            # They end automatically after their process manager, perhaps at this moment.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
