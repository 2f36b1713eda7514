"""`wharf-auth keys`: the signing keys, and their rotation."""

from __future__ import annotations

import time

import click

from servicekit.logs import timestamp
from wharf_auth import key_rotation, signing
from wharf_auth import settings as auth_settings
from wharf_auth.bootstrap import key_ring
from wharf_auth.commands.shared import BY, as_json, records, show
from wharf_auth.domain.rotation import PUBLISH_SECONDS, KeyState

_NEXT: dict[KeyState, str] = {
    "published": "signs from",
    "signing": "signs until",
    "verifying": "retires at",
    "retired": "retired at",
}


@click.group()
def keys() -> None:
    """Signing keys. The service needs no restart, whatever is done here."""


@keys.command("list")
@as_json
def key_list(*, machine: bool) -> None:
    """List the keys, oldest first."""
    for turn in key_ring(auth_settings.read()).turns():
        until = None if turn.until is None else timestamp(turn.until)
        shown = {
            "kid": turn.key.kid,
            "state": turn.state,
            "since": timestamp(turn.key.since),
            "until": until,
        }
        following = "" if until is None else f" {_NEXT[turn.state]} {until}"
        show(shown, f"{turn.key.kid} {turn.state:9}{following}", machine=machine)


@keys.command("print")
def key_print() -> None:
    """Print a new key for a secret of the platform: put it there as SECONDS-NAME.pem.

    SECONDS is the moment of its making (`date +%s`). Keys in WHARF_KEYS are rotated so: one
    more file in the secret, and the old one taken out when `keys list` says that it is retired.
    """
    click.echo(signing.new_pem()[1], nl=False)


@keys.command("rotate")
def key_rotate() -> None:
    """Make the next key: published now, signing when everybody has had the time to fetch it.

    The old key goes by itself after the longest token has expired.
    """
    settings = auth_settings.read()
    ring, kept = key_ring(settings), records()
    key_rotation.sweep(ring, kept, time.time, BY)
    kid = key_rotation.rotate(ring, kept, time.time, BY)
    click.echo(f"{kid} signs from {timestamp(time.time() + PUBLISH_SECONDS)}")


# An id may begin with a hyphen.
@keys.command("retire", context_settings={"ignore_unknown_options": True})
@click.argument("kid", required=False)
@click.option("--force", is_flag=True, help="Also the key that signs: the next one signs at once.")
def key_retire(kid: str | None, *, force: bool) -> None:
    """End the key KID now, e.g. when it leaked; without KID those whose time has come.

    Tokens that it signed are refused when the others have fetched the keys again: within five
    minutes.
    """
    ring, kept = key_ring(auth_settings.read()), records()
    if kid is None:
        for gone in key_rotation.sweep(ring, kept, time.time, BY):
            click.echo(f"{gone} retired")
        return
    key_rotation.retire(ring, kept, time.time, kid, BY, force=force)
    click.echo(f"{kid} retired")
