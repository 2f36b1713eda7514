"""Writes nginx's configuration from the templates, and builds the command that starts nginx."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wharf_gateway import nginx_program
from wharf_gateway.rendering import render_tree
from wharf_gateway.terminal import CannotRunError


def render_configuration(root: str, target: str, values: Mapping[str, str]) -> None:
    """Write nginx's configuration.

    Args:
        root: the folder with the templates in `deploy/nginx`.
        target: the folder for the configuration, which is nginx's prefix.
        values: the value of every name in the templates.

    Raises:
        CannotRunError: there is no template for nginx.conf, or a name has no value.
    """
    source = os.path.join(root, "deploy/nginx")
    if "nginx.conf" not in render_tree(source, target, values):
        raise CannotRunError(f"{source} has no nginx.conf.template")


def nginx_command(prefix: str, environ: Mapping[str, str]) -> list[str]:
    """Return the command that starts nginx with Wharf's configuration only.

    `-e stderr` prevents nginx from opening the log file that the distribution has compiled in.
    Raises `CannotRunError` if nginx is not installed.
    """
    path = nginx_program.find(environ)
    return [path, "-e", "stderr", "-p", prefix, "-c", f"{prefix}/nginx.conf"]
