"""Other servers that a user may choose, and that package registries offer.

Flask's tutorial runs on the installed Flask and uWSGI. copyparty and @tus/server are locked by
hashes in requirements/peers.txt and requirements/peers/package-lock.json. The first run that needs
them installs them below .venv/peers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from loadtests.bench.servers import ROOT, Nginx, Server, ServerFailed

FLASK, FLASK_NGINX, COPYPARTY, TUS = "flask", "flask-nginx", "copyparty", "tus"
PEERS = (FLASK, FLASK_NGINX, COPYPARTY, TUS)
_HERE = Path(__file__).parent
_PLACE = ROOT / ".venv/peers"
_NODE = _PLACE / "node"
_PASSWORD = "bench-only"

# As in "nginx" in Flask's documentation, with a limit that allows these bodies.
_PROXY_CONF = """
{user}
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/spool;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://127.0.0.1:{behind}/;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Prefix /;
        }}
    }}
}}
"""


def ensure_peers(wanted: set[str]) -> None:
    """Install wanted peers that are missing or outdated; exit with a message if that fails."""
    if COPYPARTY in wanted and not _is_current(_PLACE / "copyparty", _lock("peers.txt")):
        _install_copyparty()
    if TUS in wanted and not _is_current(_NODE, _lock("peers/package-lock.json")):
        if shutil.which("npm") is None or shutil.which("node") is None:
            sys.exit(
                "bench: @tus/server needs node and npm (Debian: apt-get install nodejs npm); "
                "or leave the others out: make bench PEERS=no"
            )
        _install_tus()


def _lock(name: str) -> Path:
    return ROOT / "requirements" / name


def _is_current(folder: Path, lock: Path) -> bool:
    done = folder / "done"
    return done.is_file() and done.read_bytes() == lock.read_bytes()


def _install_copyparty() -> None:
    folder, lock = _PLACE / "copyparty", _lock("peers.txt")
    print("bench: installing copyparty", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    _run([*pip, "--disable-pip-version-check", "-r", str(lock)])
    (folder / "done").write_bytes(lock.read_bytes())


def _install_tus() -> None:
    lock = _lock("peers/package-lock.json")
    print("bench: installing @tus/server", file=sys.stderr)
    _NODE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(lock.with_name(name), _NODE)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    _run(["npm", "ci", "--prefix", str(_NODE), *quiet])
    (_NODE / "done").write_bytes(lock.read_bytes())


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout[-800:]}{done.stderr[-800:]}")


class Flask(Server):
    """The tutorial with `uwsgi --http`, as "uWSGI" in Flask's documentation starts it."""

    title = "Flask tutorial, uWSGI"
    files, form, way = "/uploads/", "/", "form"

    @property
    def _port_of_uwsgi(self) -> int:
        return self.port

    def _command(self) -> list[str]:
        (self.folder / "files").mkdir()
        program = Path(sys.executable).parent / "uwsgi"
        return [
            *(str(program), "--http", f"127.0.0.1:{self._port_of_uwsgi}", "--master", "-p", "4"),
            # wrk keeps its connections open, and the bench stops uWSGI by SIGTERM.
            *("--http-keepalive", "--die-on-term", "--listen", "100"),
            *("--chdir", str(_HERE), "-w", "flask_tutorial:app"),
        ]

    def _environment(self) -> Mapping[str, str]:
        # Parts of forms are stored on the same file system, not in memory.
        return {"BENCH_FOLDER": str(self.folder / "files"), "TMPDIR": str(self.folder)}


class FlaskBehindNginx(Flask):
    """The tutorial behind nginx as a proxy, as "nginx" in Flask's documentation describes it."""

    title = "Flask tutorial, nginx"

    @property
    def _port_of_uwsgi(self) -> int:
        return self._next_port

    def _command(self) -> list[str]:
        command = super()._command()
        conf = self.folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        conf.write_text(
            _PROXY_CONF.format(
                folder=self.folder, port=self.port, behind=self._next_port, user=user
            )
        )
        nginx = f"{Nginx.program()} -e stderr -c {conf} -g 'daemon off;'"
        return [*command, "--attach-daemon", nginx]


class Copyparty(Server):
    """copyparty, which hashes files (SHA-512), with one account and one process for each core."""

    title, files, ready = "copyparty", "/", "/?ls"

    def _command(self) -> list[str]:
        (self.folder / "files").mkdir()
        return [
            *(str(_PLACE / "copyparty/bin/copyparty"), "-q", "--http-only", "--no-thumb"),
            *("-j", str(os.cpu_count()), "-i", "127.0.0.1", "-p", str(self.port)),
            *("-a", f"bench:{_PASSWORD}", "-v", f"{self.folder / 'files'}:/:r:rw,bench"),
            *("--ban-404", "no", "--ban-403", "no"),
        ]

    def _environment(self) -> Mapping[str, str]:
        return {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}

    @property
    def headers(self) -> dict[str, str]:
        """Return the password as a header field."""
        return {"PW": _PASSWORD}


class Tus(Server):
    """@tus/server with its file store."""

    title, files, uploads, way = "@tus/server", "/files/", "/files", "tus"

    def _command(self) -> list[str]:
        (self.folder / "files").mkdir()
        script = _NODE / "tus_server.mjs"
        shutil.copy(_HERE / "tus_server.mjs", script)
        node = shutil.which("node")
        if node is None:
            raise ServerFailed("node was not found")
        return [node, str(script), str(self.folder / "files"), str(self.port), f"{os.cpu_count()}"]

    def _environment(self) -> Mapping[str, str]:
        return {"NODE_ENV": "production"}


def peer(target: str, folder: Path) -> Server:
    """Return a peer that is not started."""
    kinds: dict[str, Callable[[Path], Server]] = {
        FLASK: Flask,
        FLASK_NGINX: FlaskBehindNginx,
        COPYPARTY: Copyparty,
        TUS: Tus,
    }
    return kinds[target](folder)
