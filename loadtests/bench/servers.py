"""The measured servers: nginx alone, and Wharf as `make run` starts it. `peers` has the others."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.servers.ports import free_ports

NGINX, RELAXED, FULL = "nginx", "relaxed", "full"
ROOT = Path(__file__).parents[2]
_START_SECONDS, _STOP_SECONDS = 90.0, 60.0

# WebDAV PUT is the bound for uploads, and static files are the bound for downloads. nginx runs in
# its fastest configuration, so that it is a bound (docs/benchmark.md, "The bound").
_NGINX_CONF = """
{user}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    # The same size as at the gateway (deploy/nginx/snippets/spooling.conf).
    client_body_buffer_size 1m;
    # On the file system of the files, so that PUT ends with a rename and not with a copy.
    client_body_temp_path {folder}/spool;
    open_file_cache max=2000 inactive=1h;
    open_file_cache_valid 1h;
    open_file_cache_min_uses 1;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type image/jpeg;
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        location /files/ {{
            root {folder};
            dav_methods PUT;
        }}
        location = /ready {{ return 200 ready; }}
    }}
}}
"""

# The limits are high, since the bench is one client at one address.
_OPEN = "1000000"
_WHARF = {
    "WHARF_ADDRESS_REQUESTS_PER_SECOND": _OPEN,
    "WHARF_ADDRESS_REQUESTS_BURST": _OPEN,
    "WHARF_CREDENTIAL_REQUESTS_PER_SECOND": _OPEN,
    "WHARF_CREDENTIAL_REQUESTS_BURST": _OPEN,
    "WHARF_ADDRESS_CONNECTIONS": "1024",
    "WHARF_TENANT_REQUESTS_PER_MINUTE": "1000000000",
    "WHARF_CLIENT_REQUESTS_PER_MINUTE": "1000000000",
    "WHARF_TOKEN_TTL_SECONDS": "7200",
    "WHARF_HOST": "127.0.0.1",
    "WHARF_HOSTS": "",
}


class ServerFailed(Exception):
    """A server did not start; the message says why, for example by the server's last output."""


class Server(ABC):
    """A server with its own data. The end of the block stops the server and deletes the data."""

    title: str
    # The paths of files by PUT, of forms, and of new tus uploads.
    files: str
    form: str | None = None
    uploads: str | None = None
    # How a small file is uploaded: "put", "form", or "tus" (creation with upload in one request).
    way = "put"
    # Whether a file survives a power cut after the response.
    durable = False
    ready = "/ready"
    # The path of the stored file for requests with a token, and the path for requests without one.
    # The workloads set both.
    one = ""
    link = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, ""
        self._names = 0
        self.port, self._next_port = free_ports()
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _environment(self) -> Mapping[str, str]: ...

    def _credential(self) -> str:
        """Return an access token, an empty text for a server without tokens."""
        return ""

    @property
    def pid(self) -> int:
        """Return the id of the process from which the server's other processes descend."""
        assert self._process is not None
        return self._process.pid

    @property
    def headers(self) -> dict[str, str]:
        """Return the header fields that each request needs."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def new_name(self) -> str:
        """Return a name that no file has, without an extension."""
        self._names += 1
        return f"file-{self._names}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        command = [*_dying_with_us(), *self._command()]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._await_ready()
            self.token = self._credential()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}{self.ready}", timeout=5
                ) as reply:
                    reply.read()
                    return
            except (OSError, urllib.error.URLError) as error:
                last_words = self._output.read_text(errors="replace")[-1000:]
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise ServerFailed(f"{error}\n{last_words}") from None
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder)


class Nginx(Server):
    """nginx alone, with which all other servers are compared."""

    title = NGINX
    files = "/files/"

    def _command(self) -> list[str]:
        (self.folder / "files").mkdir()
        user = "user root;" if os.geteuid() == 0 else ""
        conf = self.folder / "nginx.conf"
        workers = os.environ.get("WHARF_NGINX_WORKERS") or "auto"
        conf.write_text(
            _NGINX_CONF.format(folder=self.folder, port=self.port, user=user, workers=workers)
        )
        return [self.program(), "-e", "stderr", "-c", str(conf), "-g", "daemon off;"]

    @staticmethod
    def program() -> str:
        """Return the path of nginx."""
        found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        if found is None:
            raise ServerFailed("nginx was not found; install it (Debian: apt-get install nginx)")
        return found

    def _environment(self) -> Mapping[str, str]:
        return {}


class Wharf(Server):
    """The whole Wharf, started by the process manager of `make run`."""

    files, form, ready = "/v1/files/default/", "/v1/files/default", "/readyz"
    uploads = "/v1/uploads"

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder)
        self._durability = durability
        self.title, self.durable = f"Wharf {durability}", durability == FULL

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "wharf_native", "run"]

    def _environment(self) -> Mapping[str, str]:
        return {
            **_WHARF,
            "WHARF_DATA": str(self.folder / "data"),
            "WHARF_PORT": str(self.port),
            "WHARF_METRICS_PORT": str(self._next_port),
            "WHARF_DURABILITY": self._durability,
        }

    def _credential(self) -> str:
        credentials = json.loads((self.folder / "data/credentials.json").read_text())["demo"]
        pair = f"{credentials['client_id']}:{credentials['client_secret']}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/auth/oauth/token",
            b"grant_type=client_credentials",
            {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            token: str = json.load(reply)["access_token"]
        return token


def _dying_with_us() -> list[str]:
    """Return a command prefix that ends a server when the bench is killed.

    A server that continued to run would keep the run's disk mounted.
    """
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM"] if program else []
