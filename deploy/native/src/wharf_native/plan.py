"""What is run: the commands, their environment and the order of the stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress

from slow_body_floor.foreign_sockets import children
from wharf_gateway.nginx import nginx_command, render_configuration
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.settings import gateway_values
from wharf_native.listening import Listeners
from wharf_native.places import Places
from wharf_native.program import NGINX_SOCKETS, Program


def service_environment(
    settings: RunSettings, places: Places, environ: Mapping[str, str]
) -> dict[str, str]:
    """What every child sees: everything we see, and where things are."""
    environment = {
        "WHARF_ISSUER": f"{settings.url}/auth",
        # A heap for each thread costs more memory than waiting for a shared one costs time.
        "MALLOC_ARENA_MAX": "1",
        # The background work is a part of upload's uWSGI, and no process of its own (ADR 20).
        "WHARF_UPLOAD_WORKER": "true",
        **{name: value for name, value in environ.items() if value or name[:6] != "WHARF_"},
        "WHARF_DATA": places.data,
        "WHARF_PORT": str(settings.port),
        "WHARF_INSTANCE": settings.instance,
        "WHARF_SPOOL": places.spool,
        "WHARF_AUTH_SOCKET": places.socket("auth"),
        "WHARF_UPLOAD_SOCKET": places.socket("upload"),
        "WHARF_SOCKETS": places.sockets,
        "WHARF_JWKS_URL": f"{settings.url}/.well-known/jwks.json",
        "WHARF_FEED_URL": f"{settings.metrics_url}/feed",
    }
    bin_directory = os.path.join(settings.root, ".venv/bin")
    environment["PATH"] = f"{bin_directory}:{environ.get('PATH', os.defpath)}"
    return environment


def template_values(
    settings: RunSettings, places: Places, environ: Mapping[str, str]
) -> dict[str, str]:
    """Every name that an nginx template may use."""
    templates = os.path.join(settings.root, "deploy/nginx")
    values = gateway_values(environ, templates=templates, as_root=os.geteuid() == 0)
    values.update(
        WHARF_DATA=places.data,
        WHARF_RUN=places.nginx,
        WHARF_ACCESS_LOG=places.log_file("access"),
        WHARF_PROBLEMS=f"{places.nginx}/problems",
        WHARF_SPOOL=places.spool,
        WHARF_SNIPPETS=f"{places.nginx}/snippets",
        WHARF_LISTEN=settings.listen,
        WHARF_METRICS_LISTEN=settings.metrics_listen,
        WHARF_AUTH_SOCKET=f"unix:{places.socket('auth')}",
        WHARF_UPLOAD_SOCKET=f"unix:{places.socket('upload')}",
        WHARF_SOCKETS=places.sockets,
        WHARF_RECEIVER_SOCKET=f"unix:{places.socket('receiver')}",
        WHARF_BLOBS_SOCKET=f"unix:{places.socket('blobs')}",
    )
    return values


def render_gateway(settings: RunSettings, places: Places, values: Mapping[str, str]) -> None:
    """Writes nginx's configuration.

    Raises:
        CannotRunError: there is no template for nginx.conf.
    """
    render_configuration(settings.root, places.nginx, values)


class Plan:
    """The programs of one Wharf.

    Attributes:
        preparations: run one after the other before anything else, each to its end.
        gateway_check: judges what was rendered for nginx.
        gateway: nginx.
        services: auth and upload under uWSGI.
    """

    def __init__(
        self,
        settings: RunSettings,
        places: Places,
        environment: Mapping[str, str],
        listeners: Listeners,
    ) -> None:
        self._environment = environment
        self._places = places
        self._listeners = listeners
        self._bin = os.path.join(settings.root, ".venv/bin")
        nginx = nginx_command(places.nginx, environment)
        self.preparations = [
            self._once("auth-migrate", "wharf-auth", "migrate"),
            self._once("auth-init", "wharf-auth", "init"),
            self._once("upload-migrate", "wharf-upload", "migrate"),
            *self._problem_pages(settings),
        ]
        self.gateway_check = _quick("nginx-check", [*nginx, "-t", "-q"], environment)
        # QUIT serves what was begun, TERM does not.
        self.gateway = Program(
            "nginx",
            [*nginx, "-g", "daemon off;"],
            {**environment, NGINX_SOCKETS: ""},
            graceful=signal.SIGQUIT,
            fast=signal.SIGTERM,
            sockets=lambda: listeners.of_gateway(places.nginx),
            # Its master has opened everything when it starts the workers.
            serves=lambda pid: bool(children(pid)),
        )
        self.services = [self._uwsgi(settings, name) for name in ("auth", "upload")]

    def _once(self, name: str, command: str, verb: str) -> Program:
        return _quick(name, [f"{self._bin}/{command}", verb], self._environment)

    def _problem_pages(self, settings: RunSettings) -> list[Program]:
        """Makes what the gateway serves at /problems/; an installation without docs has none."""
        script = os.path.join(settings.root, "docs/generate.py")
        if not os.path.exists(script):
            return []
        command = [f"{self._bin}/python", script, "--html", f"{self._places.nginx}/problems"]
        return [_quick("problem-pages", command, self._environment)]

    def _uwsgi(self, settings: RunSettings, service: str) -> Program:
        ini = os.path.join(settings.root, f"services/{service}/uwsgi.ini")
        ready_file = self._places.ready_file(service)
        environment = {
            **self._environment,
            "PROMETHEUS_MULTIPROC_DIR": self._places.metrics(service),
            # As after a reload: it looks for its sockets among those that it inherits.
            "UWSGI_RELOADS": "0",
            "WHARF_SOCKETS_KEPT": "true",
            "WHARF_READY_FILE": ready_file,
            # What it runs on HUP in its own place: the command line of a copy of the supervisor
            # (`preloaded`) is the supervisor's.
            "WHARF_PYTHON": os.path.join(settings.root, "deploy/native/uwsgi_again.sh"),
            "WHARF_UWSGI": f"{self._bin}/uwsgi",
            "WHARF_UWSGI_INI": ini,
        }
        # The ini maps TERM (and may map INT) to a stop that drains; QUIT is uWSGI's own and
        # ends the whole stack at once.
        return Program(
            service,
            [f"{self._bin}/uwsgi", "--ini", ini],
            environment,
            graceful=signal.SIGTERM,
            fast=signal.SIGQUIT,
            preloaded=True,
            sockets=lambda: self._sockets_of(service, ready_file),
            # uWSGI that is still starting does not hear TERM.
            serves=lambda _: all(map(os.path.exists, (ready_file, f"{ready_file}.term"))),
        )

    def _sockets_of(self, service: str, ready_file: str) -> list[int]:
        """For a start: its sockets, and nothing that looks as if it had started already."""
        for path in (ready_file, f"{ready_file}.term"):
            with suppress(FileNotFoundError):
                os.unlink(path)
        names = {"auth": ["auth"], "upload": ["upload", "receiver"]}[service]
        return [self._listeners.unix(self._places.socket(name)) for name in names]


def _quick(name: str, command: list[str], environment: Mapping[str, str]) -> Program:
    return Program(name, command, environment, graceful=signal.SIGTERM, fast=signal.SIGTERM)
