"""The contract of the audit log, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading

import pytest

from servicekit.database import Database
from tests.servers.auth import act
from wharf_auth.database.contract import Client, NameTaken, NoSuchClient, Records, Secret, Tenant
from wharf_auth.domain.acts import Actor, AuditedAct

ACME = Tenant("acme", "Acme", 1)
CLIENT, SECRET = Client("c1", "acme", "billing", ("files:read",), 1), Secret("s1", "h", "h", 1)


def names(records: Records) -> list[str]:
    return [one.act.act for one in records.audit(after=0, limit=1000)]


def test_each_change_is_noted(records: Records) -> None:
    """Each kind of change to tenants and clients writes one audit line."""
    records.add_tenant(ACME, act("1"))
    records.rename_tenant("acme", "New", act("2"))
    records.add_client(CLIENT, SECRET, act("3"))
    records.add_secret("acme", "c1", Secret("s2", "h", "h", 1), act("4"))
    records.retire_secret("acme", "c1", "s1", act("5"))
    records.disable("acme", "c1", 9, act("6"))
    records.revoke_token("acme", "j1", 9, act("7"))
    records.suspend("acme", act("8"))
    records.resume("acme", act("9"))
    records.delete_tenant("acme", 5, act("10"))
    records.purge_tenant("acme", act("11", at=5))
    assert names(records) == [str(number) for number in range(1, 12)]


def test_a_line_comes_back_as_it_was(records: Records) -> None:
    """An audit line is read with all its fields: the actor with address and request, the act, its
    object, tenant, time and outcome.
    """
    by = Actor("c1", "acme", "2001:db8::1", "request-7")
    noted = by.does("tenants.suspend", tenant="other", about="日本", at=1234, outcome="forbidden")
    records.note(noted)
    assert records.audit(after=0, limit=9) == [AuditedAct(1, noted)]


def test_what_was_not_done_is_not_noted_as_done(records: Records) -> None:
    """A change that the records refuse writes no audit line."""
    records.add_tenant(ACME, act("made"))
    with pytest.raises(NameTaken):
        records.add_tenant(ACME, act("again"))
    with pytest.raises(NoSuchClient):
        records.disable("acme", "absent", 9, act("disabled"))
    records.add_client(CLIENT, SECRET, act("client"))
    assert not records.retire_secret("acme", "c1", "absent", act("retired"))
    assert names(records) == ["made", "client"]


def test_pages_are_in_order_and_of_a_tenant(records: Records) -> None:
    """A page has the lines after a given number, or in reverse order the lines before a given
    number. A page of one tenant has only lines about that tenant.
    """
    for number in range(1, 7):
        records.note(act(str(number), tenant="acme" if number % 2 else "other"))
    assert [one.seq for one in records.audit(after=2, limit=3)] == [3, 4, 5]
    assert [one.seq for one in records.audit(after=1, limit=9, tenant="acme")] == [3, 5]
    assert records.audit(after=0, limit=9, tenant="third") == []
    assert [one.seq for one in records.audit_before(before=5, limit=3)] == [4, 3, 2]
    assert [one.seq for one in records.audit_before(before=9, limit=2, tenant="acme")] == [5, 3]


def test_lines_cannot_be_changed_or_removed(database: Database, records: Records) -> None:
    """The database itself refuses any statement that changes or removes audit lines."""
    records.note(act("kept"))

    def change(sql: str) -> None:
        with database.transaction() as connection:
            connection.execute(sql)

    changes = ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"]
    if database.dialect == "postgresql":
        changes.append("TRUNCATE audit")
    for sql in changes:
        with pytest.raises(Exception, match="append-only"):
            change(sql)
    assert [(one.act.by.id, one.act.act) for one in records.audit(after=0, limit=9)] == [
        ("tester", "kept")
    ]


def test_numbers_have_no_gaps_under_many_writers(database: Database, records: Records) -> None:
    """Concurrent acts get consecutive numbers, so a reader that continues after a
    number misses no act.
    """

    def write() -> None:
        for _ in range(10):
            records.note(act())
        database.close()

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.seq for one in records.audit(after=0, limit=99)] == list(range(1, 51))
