"""The gateway's container: its settings, its nginx configuration and its spool.

The native runner renders the same templates, with the same settings and checks.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Mapping

from wharf_gateway import addresses, answers, blobstore, console, front_door, live, pictures, tls
from wharf_gateway.leftovers import remove_files
from wharf_gateway.nginx import nginx_command, render_configuration
from wharf_gateway.run_settings import INSTANCE, RunSettings
from wharf_gateway.settings import gateway_values
from wharf_gateway.store_watch import KnownName
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError, log

# The folder of an image with the templates and the pages about problems.
ROOT = "/opt/wharf"

RUN = Setting(
    "WHARF_GATEWAY_RUN",
    "/tmp/nginx",  # noqa: S108  a file system of the container's own
    "",
    "The directory for nginx's temporary files and its configuration, which is written "
    "at each start",
)
AUTH_SOCKET = Setting(
    "WHARF_AUTH_SOCKET",
    "/run/wharf/auth/auth.sock",
    "",
    "The address of auth: the path of a unix socket, or `host:port`. The gateway looks "
    "up the name once, at startup",
)
AUTH_SECRETS_SOCKET = Setting(
    "WHARF_AUTH_SECRETS_SOCKET",
    "",
    "",
    "The address of auth for requests with a secret, in the same notation. Empty: "
    "`secrets.sock` next to the socket of WHARF_AUTH_SOCKET, or the same `host:port` if "
    "WHARF_AUTH_SOCKET is one",
)
SOCKETS = Setting(
    "WHARF_SOCKETS",
    "/run/wharf/upload",
    "",
    "The directory in which the upload service next to this gateway has its sockets",
)
FRONT_DOOR = Setting(
    "WHARF_FRONT_DOOR",
    "",
    "",
    "The path of the unix socket at which a balancer on the same machine reaches this "
    "gateway (docs/compose.md). Empty: no front door",
)
CONTAINER_SETTINGS = (
    *(AUTH_SOCKET, AUTH_SECRETS_SOCKET, SOCKETS, *console.CONSOLE_SETTINGS, *live.LIVE_SETTINGS),
    *(*pictures.IMAGES_SETTINGS, FRONT_DOOR, RUN),
)
_AUTH_EXAMPLES = (AUTH_SOCKET.default, "wharf-auth:3031")
_AUTH_SECRETS_EXAMPLES = ("/run/wharf/auth/secrets.sock", "wharf-auth:3032")


def run_settings(environ: Mapping[str, str], root: str = ROOT) -> RunSettings:
    """Return the settings that the container shares with the native runner."""
    instance = environ.get(INSTANCE.name) or socket.gethostname().lower()
    return RunSettings({**environ, INSTANCE.name: instance}, root=root)


def front_door_path(environ: Mapping[str, str]) -> str:
    """Return the path of the front door; an empty text when there is no front door."""
    return addresses.path(FRONT_DOOR, environ) if environ.get(FRONT_DOOR.name) else ""


class Gateway:
    """The checked settings of one gateway container, and the places of its files.

    Attributes:
        settings: the settings that the container shares with the native runner.
        run: nginx's prefix.
        spool: the folder of request bodies; no other gateway uses it.
        answers: the folder of responses that clients have not read; no other gateway uses it.
        pictures: the folder of the cached small pictures; no other gateway uses it.
        socket_folders: the folders of the services' sockets.
        front_door: the path at which a balancer on this machine connects; empty: no front door.
        blob_store: the object store; None when all blobs are on the disk.
        tls_files: the certificate of the public port and its key; None without TLS.
        own_sockets: unix sockets on which nginx listens in folders that other programs use too.
        metrics_file: the file with the counters of nginx's parent process, which nginx serves.
    """

    def __init__(self, environ: Mapping[str, str], root: str = ROOT) -> None:
        self.settings = run_settings(environ, root)
        environ = {**environ, INSTANCE.name: self.settings.instance}
        self.run = addresses.path(RUN, environ)
        self.spool = f"{self.settings.data}/spool/{self.settings.instance}"
        self.answers = answers.folder(self.settings.data, self.settings.instance)
        self.pictures = pictures.folder(self.settings.data, self.settings.instance)
        self.metrics_file = f"{self.run}/gateway.prom"
        self._environ = environ
        self._sockets = addresses.path(SOCKETS, environ)
        self.front_door = front_door_path(environ)
        self.blob_store = blobstore.blob_store(environ)
        self.tls_files = tls.files(environ)
        self.values = self._template_values()
        own = ("WHARF_CONSOLE_DOOR", "WHARF_REPLICA_DOOR", "WHARF_IMAGES_BLOBS_SOCKET")
        listening = (addresses.socket_path(self.values[name]) for name in own)
        self.own_sockets = [path for path in listening if path]
        names = ("WHARF_AUTH_SOCKET", "WHARF_CONSOLE_SOCKET", "WHARF_LIVE_SOCKET")
        services = map(self.values.__getitem__, names)
        others = filter(None, map(addresses.socket_path, services))
        folders = dict.fromkeys([self._sockets, *map(os.path.dirname, others)])
        self.socket_folders = list(folders)
        self.command = nginx_command(self.run, environ)

    def _template_values(self) -> dict[str, str]:
        settings = self.settings
        values = gateway_values(
            self._environ, templates=f"{settings.root}/deploy/nginx", as_root=os.geteuid() == 0
        )
        # The balancer forwards clients' connections unchanged, so they may begin with TLS.
        values.update(front_door.template_values(self.front_door, values["WHARF_LISTEN_TLS"]))
        values.update(console.container_values(self._environ, f"{settings.root}/console"))
        values.update(pictures.container_values(self._environ, self._sockets, self.pictures))
        values.update(live.container_values(self._environ))
        values.update(
            WHARF_DATA=settings.data,
            WHARF_RUN=self.run,
            WHARF_ACCESS_LOG="/dev/stdout",
            WHARF_PROBLEMS=f"{settings.root}/problems",
            WHARF_SPOOL=self.spool,
            WHARF_ANSWERS=self.answers,
            WHARF_SNIPPETS=f"{self.run}/snippets",
            WHARF_LISTEN=settings.listen,
            WHARF_REDIRECT_LISTEN=settings.redirect_listen,
            WHARF_METRICS_LISTEN=settings.metrics_listen,
            WHARF_AUTH_SOCKET=addresses.server(AUTH_SOCKET, self._environ, _AUTH_EXAMPLES),
            WHARF_AUTH_SECRETS_SOCKET=_secrets_socket(self._environ),
            WHARF_UPLOAD_SOCKET=f"unix:{self._sockets}/upload.sock",
            WHARF_SOCKETS=self._sockets,
            WHARF_RECEIVER_SOCKET=f"unix:{self._sockets}/receiver.sock",
            WHARF_BLOBS_SOCKET=f"unix:{self.run}/blobs.sock",
        )
        return values

    def await_names(self) -> None:
        """Wait until the object store's name can be looked up; raise CannotRunError on timeout."""
        if self.blob_store is None:
            return
        known, deadline = KnownName(self.blob_store), time.monotonic() + self.settings.ready_seconds
        while not known():
            if time.monotonic() > deadline:
                raise CannotRunError(known.error)
            time.sleep(0.2)

    def prepare(self) -> None:
        """Write the configuration and let nginx test it.

        Raises:
            CannotRunError: nginx rejects the configuration; it has printed the reason.
        """
        os.makedirs(self.run, mode=0o700, exist_ok=True)
        # nginx cannot listen on a socket that a killed nginx left behind.
        remove_files(self.run)
        for folder in (self.spool, self.answers, self.pictures):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        render_configuration(self.settings.root, self.run, self.values)
        self.test()

    def test(self) -> None:
        """Let nginx test the configuration; raise CannotRunError when nginx rejects it."""
        command = [*self.command, "-t", "-q"]
        pid = os.posix_spawn(command[0], command, dict(os.environ))
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
            raise CannotRunError("nginx rejects its configuration; its error messages are above")

    def own_spool(self) -> int:
        """Lock the spool for this gateway until exit; then delete the files of a killed gateway.

        nginx numbers spooled bodies from 1, so two gateways on one spool would delete each other's
        files. An earlier container with the same name may still be ending its requests; this method
        waits for it. The lock is the returned descriptor.

        Raises:
            CannotRunError: another gateway has the spool, and does not release it in time.
        """
        lock = os.open(self.spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        deadline = time.monotonic() + self.settings.ready_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CannotRunError(
                        f"another gateway uses {self.spool}; give each a WHARF_INSTANCE of its own"
                    ) from None
            time.sleep(0.2)
        remove_files(self.spool)
        remove_files(self.answers)
        self._say_began()
        return lock

    def _say_began(self) -> None:
        """Write a line that tells the service that no earlier body will end any more.

        The line goes into the file of nginx's request lines. A killed gateway has written no lines
        for the bodies that it was receiving.
        """
        path = f"{self._sockets}/requests.tsv"
        try:
            with open(path, "ab", buffering=0) as file:
                file.write(f"gateway began\t{time.time():.3f}\n".encode())
        except OSError as error:  # the disk is full, for example
            log(f"the reservations of bodies that were cut stay until they expire: {error}")


def _secrets_socket(environ: Mapping[str, str]) -> str:
    """Return auth's socket for requests with a secret, in nginx's notation.

    Raises:
        CannotRunError: a setting is not an address.
    """
    if environ.get(AUTH_SECRETS_SOCKET.name):
        return addresses.server(AUTH_SECRETS_SOCKET, environ, _AUTH_SECRETS_EXAMPLES)
    main = addresses.server(AUTH_SOCKET, environ, _AUTH_EXAMPLES)
    path = addresses.socket_path(main)
    return f"unix:{os.path.dirname(path)}/secrets.sock" if path else main
