"""Protections of routes: declared where a route is registered, and checked before its handler.

Protections do not depend on Flask: Flask's routes, upload's handlers of requests from the gateway,
and the OpenAPI documents use the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from servicekit.access import require_scope, unauthorized
from servicekit.problems import TOKEN_MISSING
from servicekit.tokens import Principal

# A function of the caller and the path's arguments that raises a problem to refuse the caller.
Rule = Callable[[Principal, Mapping[str, Any]], None]
_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Protection:
    """The requirements of a route; by default a valid token that is no upload ticket.

    Attributes:
        scope: the scope that the token must have, or empty.
        instead: another scope that is accepted instead of `scope`.
        takes_tickets: whether the route accepts upload tickets; it has to enforce their rules.
        rules: further checks, which run in this order and before the check of the scope.
        open_because: why the route needs no token; empty if it needs one.
    """

    scope: str = ""
    instead: str = ""
    takes_tickets: bool = False
    rules: tuple[Rule, ...] = ()
    open_because: str = ""

    @property
    def is_open(self) -> bool:
        """Tell whether the route needs no token."""
        return bool(self.open_because)

    def where(self, *rules: Rule) -> Protection:
        """Return this protection with further rules."""
        return replace(self, rules=(*self.rules, *rules))

    def require(
        self, principal: Principal | None, arguments: Mapping[str, Any] = _NO_ARGUMENTS
    ) -> None:
        """Raise a 401, 403 or 404 problem if the caller may not call the route."""
        if self.open_because:
            return
        if principal is None:
            raise unauthorized(TOKEN_MISSING, "The request has no Authorization header.", "")
        for rule in self.rules:
            rule(principal, arguments)
        if self.scope or (principal.ticket is not None and not self.takes_tickets):
            require_scope(
                principal, self.scope, takes_tickets=self.takes_tickets, instead=self.instead
            )


#: The default protection of a route.
TOKEN = Protection()


def scope(name: str, *, instead: str = "", takes_tickets: bool = False) -> Protection:
    """Return the protection of a route that needs a scope, or the scope `instead`."""
    return Protection(scope=name, instead=instead, takes_tickets=takes_tickets)


def public(because: str) -> Protection:
    """Return the protection of a route that needs no token; `because` is the reason."""
    return Protection(open_because=because)
