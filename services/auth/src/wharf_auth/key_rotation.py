"""What an operator, or time, does with the signing keys; each act is in the audit log.

The service needs no restart: `signing.KeyRing` sees within a second what changed in the directory.
"""

from __future__ import annotations

from wharf_auth import signing
from wharf_auth.database.contract import Records
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.rotation import KeyState
from wharf_auth.signing import KeyRing


class RotationRefused(Exception):
    """What was asked for would leave no key, or too few; the message is one line."""


def rotate(ring: KeyRing, records: Records, clock: Clock, by: Actor) -> str:
    """Makes the key that signs next; returns its id. Raises `RotationRefused`."""
    pending = [turn.key.kid for turn in ring.turns() if turn.state == "published"]
    if pending:
        raise RotationRefused(
            f"the key {pending[0]} is published and does not sign yet; wait for its turn, or "
            f"retire it first: wharf-auth keys retire {pending[0]}"
        )
    kid = signing.create(ring.directory)
    _note(records, clock, by, "keys.rotate", kid)
    return kid


def retire(
    ring: KeyRing, records: Records, clock: Clock, kid: str, by: Actor, *, force: bool = False
) -> None:
    """Ends a key before its time: tokens that it signed are refused. Raises `RotationRefused`.

    Only by `force` the key that signs: the next one signs then, whether or not it is known yet.
    """
    turns = ring.turns()
    found = next((turn for turn in turns if turn.key.kid == kid), None)
    if found is None:
        raise RotationRefused(f"there is no key {kid}; `wharf-auth keys list` shows all")
    states: list[KeyState] = [turn.state for turn in turns if turn is not found]
    if found.state == "signing" and "published" not in states:
        raise RotationRefused(
            f"the key {kid} signs, and none comes after it; make one: wharf-auth keys rotate"
        )
    if found.state == "signing" and not force:
        raise RotationRefused(
            f"the key {kid} signs; the next one does in a while by itself. With --force it signs "
            "at once, and is refused where it is not known yet"
        )
    signing.remove(found.key)
    _note(records, clock, by, "keys.retire", kid)


def sweep(ring: KeyRing, records: Records, clock: Clock, by: Actor) -> list[str]:
    """Removes the keys of which no token can be alive; their ids."""
    gone = ring.sweep()
    for kid in gone:
        _note(records, clock, by, "keys.retire", kid)
    return gone


def _note(records: Records, clock: Clock, by: Actor, act: str, kid: str) -> None:
    records.note(by.does(act, tenant="", about=kid, at=milliseconds(clock)))
