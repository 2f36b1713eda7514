"""Flask routes with a protection, which their registration names (`servicekit.protection`).

    routes = ProtectedBlueprint("links", __name__, protection=scope("files:read"))

    @routes.get("/v1/links/<id>")                                      # files:read
    @routes.post("/v1/links/rotate", protection=scope("buckets:admin"))

No handler can forget the check, since it runs before the handler. A route that is registered in
another way needs a valid token (`web.install`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, g

from servicekit.protection import TOKEN, Protection

_View = Callable[..., Any]


class ProtectedBlueprint(Blueprint):
    """A blueprint that gives its `protection` to each route unless the route names another one."""

    def __init__(self, name: str, import_name: str, *, protection: Protection, **options: Any):
        super().__init__(name, import_name, **options)
        self._protection = protection

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,  # noqa: FBT001 -- the base class has it so
        **options: Any,
    ) -> None:
        """Register a route; the option `protection` replaces the blueprint's protection."""
        protection = options.pop("protection", self._protection)
        if view_func is not None:
            view_func = protected(view_func, protection)
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


def protected(view: _View, protection: Protection) -> _View:
    """Return a view that checks the protection before it calls `view`."""

    @functools.wraps(view)
    def call(**arguments: Any) -> Any:
        protection.require(g.get("principal"), arguments)
        return view(**arguments)

    call.protection = protection  # type: ignore[attr-defined]
    return call


def protection_of(view: _View) -> Protection:
    """Return the protection of a registered view; by default `TOKEN`."""
    found: Protection = getattr(view, "protection", TOKEN)
    return found


def open_routes(app: Flask) -> dict[str, str]:
    """Return the reason of each route that needs no token, by `METHOD path`."""
    found = {}
    for rule in app.url_map.iter_rules():
        protection = protection_of(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if protection.is_open:
                found[f"{method} {rule.rule}"] = protection.open_because
    return found
