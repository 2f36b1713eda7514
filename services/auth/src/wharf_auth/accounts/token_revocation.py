"""Which tokens a client may end and look into: those of its own tenant, an administrator's all."""

from __future__ import annotations

from servicekit.tokens import Principal
from wharf_auth.accounts import limits
from wharf_auth.database.contract import Client, Records
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.scopes import ADMIN_SCOPE
from wharf_auth.domain.tokens import last_expiry


def concerns(client: Client, tenant: str) -> bool:
    """Whether tokens of this tenant are any business of the client's.

    Not only its own: whoever shows a token could use it anyway, and a leaked one is ended by the
    colleague who finds it.
    """
    return client.tenant == tenant or ADMIN_SCOPE in client.scopes


def revoke(records: Records, clock: Clock, token: Principal, by: Actor) -> None:
    """Ends an access token, and with it all that was made of it by exchange.

    What is made names its parents, and is looked for by each of their ids.

    Raises `too-many-revocations`; ending the client or the person needs no room.

    `until` is not the token's own expiry: a ticket that was narrowed has the same id and ends
    earlier than the one that it was made from, and tickets outlive the token that they are of.
    """
    now = milliseconds(clock)
    act = by.does("tokens.revoke", tenant=token.tenant, about=token.token_id, at=now)
    # What is made by exchange has the first token's id as its session (`domain/token_exchange.py`).
    # So it ends at releases that know no parents, too.
    first = not token.session and token.ticket is None
    with limits.as_problems():
        records.revoke_token(
            token.tenant, token.token_id, last_expiry(now), act, with_derived=first
        )
