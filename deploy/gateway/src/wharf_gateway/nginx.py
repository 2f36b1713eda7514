"""nginx: its configuration made from the templates, and the command that starts it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wharf_gateway import nginx_program
from wharf_gateway.rendering import render_tree
from wharf_gateway.terminal import CannotRunError


def render_configuration(root: str, target: str, values: Mapping[str, str]) -> None:
    """Writes nginx's configuration.

    Args:
        root: has the templates in `deploy/nginx`.
        target: where it is written; nginx's prefix.
        values: of every name in the templates.

    Raises:
        CannotRunError: there is no template for nginx.conf, or a name without a value.
    """
    source = os.path.join(root, "deploy/nginx")
    if "nginx.conf" not in render_tree(source, target, values):
        raise CannotRunError(f"{source} has no nginx.conf.template")


def nginx_command(prefix: str, environ: Mapping[str, str]) -> list[str]:
    """nginx with our configuration and nothing of the system's.

    `-e stderr` keeps it from opening the log path that the distribution compiled in.
    """
    path = nginx_program.find(environ)
    return [path, "-e", "stderr", "-p", prefix, "-c", f"{prefix}/nginx.conf"]
