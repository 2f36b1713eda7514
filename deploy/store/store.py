"""A small object store to try out Wharf's profile `s3`: Ceph's monitor, one OSD and its S3 gateway.

    store.py

The store keeps all data below /data, makes the user and the bucket at its first start, and ends
when one of its programs ends. The store has one copy of each byte on one disk: do not use it for
files that must not be lost.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template

DATA = Path(os.environ.get("STORE_DATA", "/data"))
SECRETS = Path(os.environ.get("STORE_SECRETS", "/secrets"))
# The folder of the sockets, the configuration, and the file `ready`, which the health check tests.
RUN = Path(os.environ.get("STORE_RUN", "/tmp/store"))  # noqa: S108 the container's own
BUCKET = os.environ.get("STORE_BUCKET", "wharf")
MAX_BYTES = int(os.environ.get("STORE_MAX_BYTES", str(64 << 30)))
USER = "wharf"
PLAIN_PORT = int(os.environ.get("STORE_PLAIN_PORT", "7480"))
MONITOR_PORT = int(os.environ.get("STORE_MONITOR_PORT", "6789"))
TLS_PORT = int(os.environ.get("STORE_TLS_PORT", "7443"))
_PLAIN = f"http://127.0.0.1:{PLAIN_PORT}"
_START_SECONDS = 120
_KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx", "mgr": "allow rw"},
}


class StoreError(Exception):
    """An error that stops the store; the message contains the reason."""


def main() -> None:
    """Run the store until the signal TERM, or until one of its programs ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    RUN.mkdir(mode=0o700, exist_ok=True)
    ready = RUN / "ready"
    ready.unlink(missing_ok=True)
    try:
        with _programs() as start:
            _start(start)
            ready.touch()
            raise StoreError(f"{_first_end(start.running)} has ended")
    except (StoreError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"store: {error}")


class _Programs:
    """The running programs, in the order of their start; a call starts another program."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __call__(self, name: str, *words: str) -> None:
        self.running[name] = subprocess.Popen([name, "-f", "-c", str(_conf()), *words])


@contextmanager
def _programs() -> Iterator[_Programs]:
    """Yield an object that starts programs; at the end, stop them in reverse order."""
    programs = _Programs()
    try:
        yield programs
    finally:
        for process in reversed(programs.running.values()):
            process.terminate()
            process.wait()


def _start(start: _Programs) -> None:
    """Start all programs; on an empty volume, also make the cluster, the user and the bucket."""
    # Without this file the first start was not completed. No client has used its data, so the
    # next start removes them.
    complete = DATA / "complete"
    new = not complete.exists()
    if new:
        _make_cluster()
    _write_configuration()
    start("ceph-mon", "-i", "a", "--public-addr", f"127.0.0.1:{MONITOR_PORT}")
    cluster = _Cluster()
    if new:
        cluster.ask("osd new", uuid=_text(DATA / "osd_id"))
        osd = ("-i", "0", "--osd-uuid", _text(DATA / "osd_id"))
        _run("ceph-osd", "--mkfs", *osd, "-c", _conf())
    start("ceph-osd", "-i", "0")
    _await(start, lambda: json.loads(cluster.ask("osd stat"))["num_up_osds"] == 1)
    start("radosgw", "-n", "client.rgw")
    _await(start, _answers)
    access_key, secret_key = (SECRETS / "blob-keys").read_text(encoding="utf-8").split()
    if new:
        keys = ("--access-key", access_key, "--secret-key", secret_key)
        user = ("user", "create", "--uid", USER, "--display-name", USER, *keys)
        _run("radosgw-admin", "-c", _conf(), "-n", "client.admin", *user)
        _make_bucket(access_key, secret_key)
        complete.touch()


def _make_cluster() -> None:
    """Remove the files of an unfinished start, then make keys and an empty monitor."""
    for left in DATA.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    for name in ("mon", "osd", "rgw"):
        (DATA / name).mkdir(mode=0o700)
    for name in ("cluster_id", "osd_id"):
        (DATA / name).write_text(str(uuid.uuid4()), encoding="utf-8")
    keyring = str(DATA / "keyring")
    for name, rights in _KEYS.items():
        words = [word for pair in rights.items() for word in ("--cap", *pair)]
        create = [] if Path(keyring).exists() else ["--create-keyring"]
        _run("ceph-authtool", keyring, *create, "--gen-key", "-n", name, *words)
    _write_configuration()
    address = f"[v2:127.0.0.1:{MONITOR_PORT + 1},v1:127.0.0.1:{MONITOR_PORT}]"
    monmap, fsid = str(RUN / "monmap"), _text(DATA / "cluster_id")
    _run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, monmap)
    _run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring, "-c", _conf())


def _write_configuration() -> None:
    """Write the configuration from the template ceph.conf next to this file."""
    template = Template(Path(__file__).with_name("ceph.conf").read_text(encoding="utf-8"))
    values = {
        "data": DATA,
        "run": RUN,
        "secrets": SECRETS,
        "cluster_id": _text(DATA / "cluster_id"),
        "max_bytes": MAX_BYTES,
        "monitor_port": MONITOR_PORT,
        "monitor_port_2": MONITOR_PORT + 1,
        "plain_port": PLAIN_PORT,
        "tls_port": TLS_PORT,
    }
    _conf().write_text(template.substitute(values), encoding="utf-8")


class _Cluster:
    """A connection to the monitor with librados, because each `ceph` command takes a second."""

    def __init__(self) -> None:
        self._rados = ctypes.CDLL("librados.so.2")
        self._handle = ctypes.c_void_p()
        handle = ctypes.byref(self._handle)
        self._check(self._rados.rados_create2(handle, b"ceph", b"client.admin", 0))
        self._check(self._rados.rados_conf_read_file(self._handle, str(_conf()).encode()))
        limit = str(_START_SECONDS).encode()
        self._check(self._rados.rados_conf_set(self._handle, b"client_mount_timeout", limit))
        self._check(self._rados.rados_connect(self._handle))

    def ask(self, prefix: str, **more: str) -> str:
        """Send a command to the monitor; return its output, which is JSON or empty."""
        words = {"prefix": prefix, "format": "json", **more}
        command = (ctypes.c_char_p * 1)(json.dumps(words).encode())
        answer, length = ctypes.c_void_p(), ctypes.c_size_t()
        given = (self._handle, command, ctypes.c_size_t(1), None, ctypes.c_size_t(0))
        taken = (ctypes.byref(answer), ctypes.byref(length), None, None)
        self._check(self._rados.rados_mon_command(*given, *taken))
        text = ctypes.string_at(answer, length.value)
        self._rados.rados_buffer_free(answer)
        return text.decode()

    @staticmethod
    def _check(result: int) -> None:
        if result < 0:
            raise OSError(-result, f"the monitor: {os.strerror(-result)}")


def _make_bucket(access_key: str, secret_key: str) -> None:
    """Make the bucket unless it exists.

    The request is signed with S3's signature version 2, which needs fewer lines than version 4.
    """
    expires = str(int(time.time()) + _START_SECONDS)
    text = f"PUT\n\n\n{expires}\n/{BUCKET}".encode()
    signature = base64.b64encode(hmac.digest(secret_key.encode(), text, hashlib.sha1)).decode()
    fields = {"AWSAccessKeyId": access_key, "Expires": expires, "Signature": signature}
    query = urllib.parse.urlencode(fields)
    request = urllib.request.Request(f"{_PLAIN}/{BUCKET}?{query}", method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=_START_SECONDS):  # noqa: S310 a fixed address
        pass


def _answers() -> bool:
    """Tell whether the S3 gateway responds."""
    try:
        with urllib.request.urlopen(f"{_PLAIN}/", timeout=5):  # noqa: S310 a fixed address
            return True
    except OSError:
        return False


def _await(start: _Programs, happens: Callable[[], bool]) -> None:
    """Wait until the condition is true; raise `StoreError` when a program ends or time is up."""
    deadline = time.monotonic() + _START_SECONDS
    while not happens():
        for name, process in start.running.items():
            if process.poll() is not None:
                raise StoreError(f"{name} has ended")
        if time.monotonic() > deadline:
            raise StoreError(f"the start takes more than {_START_SECONDS} s")
        time.sleep(0.1)


def _first_end(running: Mapping[str, subprocess.Popen[bytes]]) -> str:
    """Wait until a program ends; return its name."""
    ended, _ = os.wait()
    return next((name for name, one in running.items() if one.pid == ended), "a program")


def _run(*command: str | Path) -> None:
    """Run a program to its end; raise `StoreError` with its output when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"{command[0]}: {(done.stdout + done.stderr)[-2000:]}")


def _conf() -> Path:
    return RUN / "ceph.conf"


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    main()
