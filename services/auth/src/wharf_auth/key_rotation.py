"""The rotation and retirement of signing keys; each act is added to the audit log.

The service needs no restart: `signing.KeyRing` notices a change of the directory within a second.
"""

from __future__ import annotations

from wharf_auth import signing
from wharf_auth.database.contract import Records
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.rotation import KeyState
from wharf_auth.signing import KeyRing


class RotationRefused(Exception):
    """The rotation or retirement is not possible now; the message is one line."""


def rotate(ring: KeyRing, records: Records, clock: Clock, by: Actor) -> str:
    """Create the key that signs next; return its id. Raise `RotationRefused`."""
    pending = [turn.key.kid for turn in ring.turns() if turn.state == "published"]
    if pending:
        raise RotationRefused(
            f"the key {pending[0]} is published and does not sign yet; wait until it signs, or "
            f"retire it first: wharf-auth keys retire {pending[0]}"
        )
    kid = signing.create(ring.directory)
    _note(records, clock, by, "keys.rotate", kid)
    return kid


def retire(
    ring: KeyRing, records: Records, clock: Clock, kid: str, by: Actor, *, force: bool = False
) -> None:
    """Retire a key early: services refuse the tokens that it signed. Raise `RotationRefused`.

    The signing key needs `force`: then the next key signs immediately, even if other services have
    not fetched it yet.
    """
    turns = ring.turns()
    found = next((turn for turn in turns if turn.key.kid == kid), None)
    if found is None:
        raise RotationRefused(f"there is no key {kid}; `wharf-auth keys list` shows all keys")
    states: list[KeyState] = [turn.state for turn in turns if turn is not found]
    if found.state == "signing" and "published" not in states:
        raise RotationRefused(
            f"the key {kid} signs, and no key follows it; make one: wharf-auth keys rotate"
        )
    if found.state == "signing" and not force:
        raise RotationRefused(
            f"the key {kid} signs, and the next key will replace it automatically. With --force "
            "the next key signs immediately; services that have not fetched it refuse its tokens"
        )
    signing.remove(found.key)
    _note(records, clock, by, "keys.retire", kid)


def sweep(ring: KeyRing, records: Records, clock: Clock, by: Actor) -> list[str]:
    """Delete the retired keys, since all their tokens have expired; return their ids."""
    gone = ring.sweep()
    for kid in gone:
        _note(records, clock, by, "keys.retire", kid)
    return gone


def _note(records: Records, clock: Clock, by: Actor, act: str, kid: str) -> None:
    records.note(by.does(act, tenant="", about=kid, at=milliseconds(clock)))
