"""Concurrent changes of rights: tokens and the feed together state the same rights as the rows."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from servicekit.database import Database
from servicekit.grants import CompactGrant
from servicekit.reaches import KnownReaches
from servicekit.tokens import Principal
from tests.contract.auth.test_grants import LONG, NOW, TEAM, acme
from tests.servers.auth import act
from wharf_auth.accounts import grants
from wharf_auth.accounts.grants import Standing
from wharf_auth.database.contract import Records
from wharf_auth.database.groups_contract import ClientChange, GroupChange, UserRights

__all__ = ["acme"]  # the fixture

GROUPS, SUBJECTS = ("g1", "g2"), ("u1", "c1")
_WRITERS, _CHANGES = 3, 20


def standing(records: Records, subject: str) -> Standing:
    found = grants.of_subject(records, "acme", subject)
    assert found is not None
    return found


def token(records: Records, subject: str) -> Principal:
    """Return the principal of a token that is issued now."""
    now = standing(records, subject)
    return Principal("acme", subject, frozenset(now.scopes), "t", 1 << 40, grants=now.claim())


def _changed(records: Records, chance: random.Random, place: str) -> None:
    """Make one change of a random kind, with a clock that is up to five seconds wrong."""
    at = NOW + chance.randrange(-5000, 5000)
    kept = chance.choice([None, (), (CompactGrant("photos", place, "rw"),), LONG])
    who, group = chance.choice(SUBJECTS), chance.choice(GROUPS)
    moved = {who: act("move", about=who, at=at)}
    scopes: tuple[str, ...] = chance.choice([("files:read",), ("files:read", "files:delete")])
    changes: list[Callable[[], None]] = [
        lambda: records.change_client(
            "acme", "c1", ClientChange(grants=kept, scopes=scopes), act("c", about="c1", at=at)
        ),
        lambda: records.set_rights(
            "acme", "u1", UserRights(grants=kept), 1, act("u", about="u1", at=at)
        ),
        lambda: records.change_group(
            "acme", group, GroupChange(grants=kept, scopes=scopes), act("g", about=group, at=at)
        ),
        lambda: records.change_members("acme", group, add=moved, remove={}),
        lambda: records.change_members("acme", group, add={}, remove=moved),
    ]
    chance.choices(changes, weights=(2, 2, 4, 2, 1))[0]()


# The triggers that copy rows to twin tenants lock rows in another order, which causes deadlocks.
@pytest.mark.usefixtures("all_tenants")
def test_writers_at_once(database: Database, acme: Records) -> None:
    """With the feed, each token that was issued during the writes has the current reach, and those
    of its scopes that the subject still has.
    """
    acme.add_group(replace(TEAM, id="g2", name="Two"), "two", act(at=NOW))
    for group in GROUPS:
        joining = {one: act("join", about=one, at=NOW) for one in SUBJECTS}
        acme.change_members("acme", group, add=joining, remove={})
    tokens, failures = list[Principal](), list[Exception]()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for number in range(_CHANGES):
                _changed(acme, chance, f"{seed}/{number}/")
                tokens.extend(token(acme, subject) for subject in SUBJECTS)
        except Exception as error:  # noqa: BLE001 -- the test asserts that there is none
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(_WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    known = KnownReaches()
    for entry in acme.feed(after=0, limit=1000).entries:
        if entry.reach is not None:
            known.take(entry.kind, entry.tenant, entry.id, entry.reach)
    for held in tokens:
        now, found = standing(acme, held.subject), known.resolve(held)
        assert found.reach == now.reach
        assert found.scopes == held.scopes & set(now.scopes)
