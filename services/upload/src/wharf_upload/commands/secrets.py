"""The command `wharf-upload secrets`, with which operators replace the keys that seal secrets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf_upload.settings import Settings

if TYPE_CHECKING:
    from servicekit.sealing import KeyRing


@click.group()
def secrets() -> None:
    """Replace the keys that seal secrets in the database.

    The keys are in WHARF_SECRETS_KEY_FILE. Running services notice a change of the file.
    """


@secrets.command("list")
@click.pass_obj
def list_keys(own: Settings) -> None:
    """Print each key with the number of secrets that it seals.

    The first key of the file seals new secrets. Exit with 1 if the file lacks a key that a secret
    needs.
    """
    from wharf_upload import bootstrap, webhook_bootstrap
    from wharf_upload.webhooks import resealing

    ring = _loaded(webhook_bootstrap.key_file(own))
    counts = resealing.key_ids(bootstrap.open_live_records(own).endpoints)
    for key in ring.ids:
        current = " current" if key == ring.current_id else ""
        click.echo(f"{key} secrets: {counts.pop(key, 0)}{current}")
    for key, count in sorted(counts.items()):
        click.echo(f"{key} secrets: {count} missing")
    if counts:
        sys.exit(1)


@secrets.command("rotate")
@click.pass_obj
def rotate(own: Settings) -> None:
    """Add a new key, and seal all secrets again with it.

    The old key stays in the file. Wharf may run. When all machines have the new file, remove the
    old key with `wharf-upload secrets drop`.
    """
    from servicekit.sealing import KeyRing, SealingKeyError
    from wharf_upload import webhook_bootstrap

    path = webhook_bootstrap.key_file(own)
    try:
        ring = KeyRing.load(path).added(path)
    except SealingKeyError as error:
        sys.exit(f"wharf-upload: {error}")
    click.echo(f"new key: {ring.current_id}")
    _reseal(own)


@secrets.command("reseal")
@click.pass_obj
def reseal(own: Settings) -> None:
    """Seal all secrets again with the first key of the file.

    Use this command if you change the file yourself, or if `rotate` was interrupted.
    """
    _reseal(own)


@secrets.command("drop")
@click.argument("key")
@click.pass_obj
def drop(own: Settings, key: str) -> None:
    """Remove KEY, the id of an old key, from the file.

    The command refuses to remove a key that a secret still needs.
    """
    from servicekit.sealing import SealingKeyError
    from wharf_upload import bootstrap, webhook_bootstrap
    from wharf_upload.webhooks import resealing

    path = webhook_bootstrap.key_file(own)
    needed = resealing.key_ids(bootstrap.open_live_records(own).endpoints)[key]
    if needed:
        sys.exit(
            f"wharf-upload: the key {key} seals {needed} secrets: run `wharf-upload secrets reseal`"
        )
    try:
        _loaded(path).without(path, key)
    except SealingKeyError as error:
        sys.exit(f"wharf-upload: {error}")
    click.echo(f"removed: {key}")


def _loaded(path: Path) -> KeyRing:
    from servicekit.sealing import KeyRing, SealingKeyError

    try:
        return KeyRing.load(path)
    except SealingKeyError as error:
        sys.exit(f"wharf-upload: {error}")


def _reseal(own: Settings) -> None:
    from wharf_upload import bootstrap, webhook_bootstrap
    from wharf_upload.webhooks import resealing

    _loaded(webhook_bootstrap.key_file(own))
    endpoints = bootstrap.open_live_records(own).endpoints
    resealed = resealing.reseal(endpoints, webhook_bootstrap.secrets_of(own))
    click.echo(f"sealed again: secrets of {resealed.endpoints} endpoints")
    if resealed.failures:
        sys.exit(
            f"wharf-upload: the secrets of {resealed.failures} endpoints cannot be opened: "
            "`wharf-upload secrets list` names the missing keys"
        )
