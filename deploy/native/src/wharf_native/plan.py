"""The environment of the programs and the values of nginx's templates: all paths and addresses."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wharf_gateway import console, live, pictures
from wharf_gateway.nginx import nginx_command, render_configuration
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.settings import gateway_values
from wharf_native.places import Places

_KEPT_BYTES = str(2 * 1024 * 1024)


def service_environment(
    settings: RunSettings, places: Places, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of every program: `environ`, with all paths and addresses.

    Raises:
        CannotRunError: nginx is not installed.
    """
    environment = {
        "WHARF_ISSUER": f"{settings.url}/auth",
        # One heap for all threads: a heap for each thread costs more memory than the waiting for a
        # shared one costs time.
        "MALLOC_ARENA_MAX": "1",
        # The C library returns free memory above these bounds to the kernel. By default the bounds
        # grow with freed blocks, and each process keeps the memory of its largest listing. Buffers
        # of 1 MiB are below the bounds: hashing a large file with mapped ones took 6 % longer.
        "MALLOC_TRIM_THRESHOLD_": _KEPT_BYTES,
        "MALLOC_MMAP_THRESHOLD_": _KEPT_BYTES,
        # A person who runs Wharf this way tries it out or develops it (`/console/examples/`).
        "WHARF_CONSOLE_EXAMPLES": "true",
        **{name: value for name, value in environ.items() if value or name[:6] != "WHARF_"},
        "WHARF_ROOT": settings.root,
        "WHARF_RUN": places.run,
        "WHARF_LOG": places.log,
        "WHARF_NGINX": nginx_command(places.nginx, environ)[0],
        "WHARF_DRAIN_SECONDS": str(settings.drain_seconds),
        # The program that replaces uWSGI in the same process on HUP.
        "WHARF_PYTHON": os.path.join(settings.root, "deploy/native/uwsgi_again.sh"),
        "WHARF_UWSGI": os.path.join(settings.root, ".venv/bin/uwsgi"),
        "WHARF_DATA": places.data,
        "WHARF_PORT": str(settings.port),
        # The worker is a separate process: its jobs must not delay bodies that the mule receives.
        "WHARF_UPLOAD_WORKER": "false",
        "WHARF_INSTANCE": settings.instance,
        "WHARF_SPOOL": places.spool,
        "WHARF_AUTH_SOCKET": places.socket("auth"),
        "WHARF_AUTH_SECRETS_SOCKET": places.socket("auth-secrets"),
        "WHARF_UPLOAD_SOCKET": places.socket("upload"),
        "WHARF_CONSOLE_SOCKET": places.socket("console"),
        "WHARF_CONSOLE_DOOR": places.socket("console-door"),
        "WHARF_IMAGES_SOCKET": places.socket("images"),
        "WHARF_IMAGES_BLOBS_SOCKET": places.socket("images-blobs"),
        "WHARF_SOCKETS": places.sockets,
        "WHARF_JWKS_URL": _jwks_url(settings),
        "WHARF_FEED_URL": f"{settings.metrics_url}/feed",
        "WHARF_LIVE_SOCKET": places.socket("live"),
    }
    bin_directory = os.path.join(settings.root, ".venv/bin")
    environment["PATH"] = f"{bin_directory}:{environ.get('PATH', os.defpath)}"
    return environment


def _jwks_url(settings: RunSettings) -> str:
    if settings.speaks_proxy or settings.is_tls:
        # The services do not speak the PROXY protocol and do not have the certificate.
        return f"{settings.metrics_url}/jwks"
    return f"{settings.url}/.well-known/jwks.json"


def template_values(
    settings: RunSettings, places: Places, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the value of every name that an nginx template may use."""
    templates = os.path.join(settings.root, "deploy/nginx")
    values = gateway_values(environ, templates=templates, as_root=os.geteuid() == 0)
    values.update(
        console.template_values(
            f"unix:{places.socket('console')}",
            f"unix:{places.socket('console-door')}",
            os.path.join(settings.root, "services/console/src/wharf_console/static/dist"),
        )
    )
    values.update(
        pictures.template_values(
            places.socket("images"), places.socket("images-blobs"), places.pictures
        )
    )
    values.update(
        WHARF_DATA=places.data,
        WHARF_RUN=places.nginx,
        WHARF_ACCESS_LOG=places.log_file("access"),
        WHARF_PROBLEMS=f"{places.nginx}/problems",
        WHARF_SPOOL=places.spool,
        WHARF_ANSWERS=places.answers,
        WHARF_SNIPPETS=f"{places.nginx}/snippets",
        WHARF_LISTEN=settings.listen,
        WHARF_REDIRECT_LISTEN=settings.redirect_listen,
        WHARF_METRICS_LISTEN=settings.metrics_listen,
        WHARF_AUTH_SOCKET=f"unix:{places.socket('auth')}",
        WHARF_AUTH_SECRETS_SOCKET=f"unix:{places.socket('auth-secrets')}",
        WHARF_UPLOAD_SOCKET=f"unix:{places.socket('upload')}",
        WHARF_SOCKETS=places.sockets,
        WHARF_RECEIVER_SOCKET=f"unix:{places.socket('receiver')}",
        WHARF_BLOBS_SOCKET=f"unix:{places.socket('blobs')}",
    )
    values.update(live.template_values(places.socket("live")))
    return values


def render_gateway(settings: RunSettings, places: Places, values: Mapping[str, str]) -> None:
    """Write nginx's configuration.

    Raises:
        CannotRunError: there is no template for nginx.conf, or a name has no value.
    """
    render_configuration(settings.root, places.nginx, values)
