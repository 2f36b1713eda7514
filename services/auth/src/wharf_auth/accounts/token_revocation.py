"""The revocation of tokens, and the rule that decides which tokens a client may revoke."""

from __future__ import annotations

from servicekit.tokens import Principal
from wharf_auth.accounts import limits
from wharf_auth.database.contract import Client, Records
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.scopes import ADMIN_SCOPE
from wharf_auth.domain.tokens import last_expiry


def concerns(client: Client, tenant: str) -> bool:
    """Tell whether a client may revoke and introspect tokens of this tenant.

    A client may do this for all tokens of its own tenant, not only for its own tokens. A client
    that sends a token could use the token anyway, and a client that finds a leaked token should be
    able to revoke it. A client with `tenants:admin` may do this for all tenants.
    """
    return client.tenant == tenant or ADMIN_SCOPE in client.scopes


def revoke(records: Records, clock: Clock, token: Principal, by: Actor) -> None:
    """Revoke an access token, and all tokens that were made from it by exchange.

    An exchanged token names its parents, and services check each of these ids. Raise
    `too-many-revocations` if the tenant's feed is full; a client or person can still be disabled.

    The entry in the feed does not expire with the token, for two reasons. A narrowed ticket has the
    id of the ticket that it was made from, but ends earlier. And a ticket may outlive the token
    that it was made from.
    """
    now = milliseconds(clock)
    act = by.does("tokens.revoke", tenant=token.tenant, about=token.token_id, at=now)
    # The `sid` of an exchanged token is the id of the first token (`domain/token_exchange.py`). The
    # second entry also revokes the exchanged token in services of earlier releases, which do not
    # check parents.
    first = not token.session and token.ticket is None
    with limits.as_problems():
        records.revoke_token(
            token.tenant, token.token_id, last_expiry(now), act, with_derived=first
        )
