"""Who may call a route: declared where the route is registered, and checked before its handler.

Pure: an HTTP route, an S3 route, a live channel and a job ask the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from servicekit.access import require_scope, unauthorized
from servicekit.problems import TOKEN_MISSING
from servicekit.tokens import Principal

# Gets the caller and the path's arguments; raises a problem when the caller may not go on.
Rule = Callable[[Principal, Mapping[str, Any]], None]
_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Protection:
    """What a route demands of its callers; by default a valid token that is no upload ticket.

    Attributes:
        scope: the scope that the token must have; empty: none.
        instead: a scope that does as well as `scope`.
        takes_tickets: whether an upload ticket is good here; the route enforces its rules.
        rules: further demands, checked in this order and before the scope.
        open_because: why the route needs no token; empty: it needs one.
    """

    scope: str = ""
    instead: str = ""
    takes_tickets: bool = False
    rules: tuple[Rule, ...] = ()
    open_because: str = ""

    @property
    def is_open(self) -> bool:
        """Whether anybody may call the route, without a token."""
        return bool(self.open_because)

    def where(self, *rules: Rule) -> Protection:
        """Return this protection with further rules."""
        return replace(self, rules=(*self.rules, *rules))

    def require(
        self, principal: Principal | None, arguments: Mapping[str, Any] = _NO_ARGUMENTS
    ) -> None:
        """Raise the 401, 403 or 404 problem when the caller may not call the route."""
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


#: Of a route that names nothing else.
TOKEN = Protection()


def scope(name: str, *, instead: str = "", takes_tickets: bool = False) -> Protection:
    """Return the protection of a route that needs a scope, or the one that does as well."""
    return Protection(scope=name, instead=instead, takes_tickets=takes_tickets)


def public(because: str) -> Protection:
    """Return the protection of a route that needs no token; `because` says why."""
    return Protection(open_because=because)
