"""The commands `wharf-auth keys`: the signing keys and their rotation."""

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
    """Manage the signing keys. No command needs a restart of the service."""


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
    """Print a new key for a secret of the platform, where its file name is SECONDS-NAME.pem.

    SECONDS is the time of its creation (`date +%s`). To rotate keys in WHARF_KEYS, add the new
    file to the secret, and remove the old file when `keys list` shows it as retired.
    """
    click.echo(signing.new_pem()[1], nl=False)


@keys.command("rotate")
def key_rotate() -> None:
    """Make the next key: it is published now, and signs after every service had time to fetch it.

    The service removes the old key automatically after its last token has expired.
    """
    settings = auth_settings.read()
    ring, kept = key_ring(settings), records()
    key_rotation.sweep(ring, kept, time.time, BY)
    kid = key_rotation.rotate(ring, kept, time.time, BY)
    click.echo(f"{kid} signs from {timestamp(time.time() + PUBLISH_SECONDS)}")


# An id may begin with a hyphen, so click must not take it for an option.
@keys.command("retire", context_settings={"ignore_unknown_options": True})
@click.argument("kid", required=False)
@click.option(
    "--force", is_flag=True, help="Allow the signing key: the next key signs immediately."
)
def key_retire(kid: str | None, *, force: bool) -> None:
    """Retire the key KID now, e.g. because it leaked; without KID, remove all retired keys.

    Services refuse the tokens of the key after they have fetched the key set again: within five
    minutes.
    """
    ring, kept = key_ring(auth_settings.read()), records()
    if kid is None:
        for gone in key_rotation.sweep(ring, kept, time.time, BY):
            click.echo(f"{gone} retired")
        return
    key_rotation.retire(ring, kept, time.time, kid, BY, force=force)
    click.echo(f"{kid} retired")
