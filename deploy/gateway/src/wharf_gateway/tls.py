"""TLS on the public port."""

from __future__ import annotations

from collections.abc import Mapping


def template_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what nginx's templates say of TLS.

    Raises:
        CannotRunError: a setting is wrong.
    """
    del environ
    return {"WHARF_LISTEN_TLS": ""}
