"""Uses of upload tickets, counted in the commit that makes the files visible."""

from __future__ import annotations

import threading

import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database.contract import Records
from wharf_upload.domain.file_writes import Idempotency, OnConflict, TicketUse, Write
from wharf_upload.domain.refusals import KeyTaken, TicketUsedUp

EXPIRES = 1_900_000_000_000


def use(max_files: int | None = 1, ticket: str = "t1") -> TicketUse:
    return TicketUse(id=ticket, max_files=max_files, expires_at=EXPIRES)


def store(
    records: Records, *keys: str, ticket: TicketUse, on_conflict: OnConflict = "error"
) -> tuple[str, ...]:
    """Write files with a ticket and return their keys."""
    files = tuple(new_file(key) for key in keys)
    stored = records.write(Write(files=files, on_conflict=on_conflict, ticket=ticket))
    return tuple(file.key for file in stored.files)


def test_used_up(records: Records, database: Database) -> None:
    """A ticket allows exactly its number of files, over several writes."""
    ticket = use(max_files=3)
    assert records.ticket_uses("demo", "t1") == 0
    store(records, "a", ticket=ticket)
    store(records, "b", "c", ticket=ticket)
    with pytest.raises(TicketUsedUp) as refused:
        store(records, "d", ticket=ticket)
    assert refused.value.max_files == 3
    assert records.file("demo", "default", "d") is None
    assert records.ticket_uses("demo", "t1") == 3
    assert faults_in_counts(database) == []


def test_all_or_nothing(records: Records) -> None:
    """A write with more files than its ticket still allows stores and counts none of them."""
    store(records, "a", ticket=use(max_files=2))
    with pytest.raises(TicketUsedUp):
        store(records, "b", "c", ticket=use(max_files=2))
    assert records.ticket_uses("demo", "t1") == 1
    store(records, "b", ticket=use(max_files=2))


def test_a_refused_write_is_no_use(records: Records) -> None:
    """A write that is refused for another reason does not use the ticket."""
    store(records, "a", ticket=use(ticket="other"))
    with pytest.raises(KeyTaken):
        store(records, "a", ticket=use())
    store(records, "b", ticket=use())


def test_a_replay_is_no_use(records: Records) -> None:
    """A repeated request is replayed without using the ticket, even when the ticket is used up."""
    file = new_file("a")
    idempotency = Idempotency(subject="s", key="k", fingerprint="f")
    write = Write(files=(file,), idempotency=idempotency, ticket=use())
    assert not records.write(write).replayed
    assert records.write(write).replayed
    assert records.ticket_uses("demo", "t1") == 1


def test_tickets_are_a_tenants(records: Records) -> None:
    """Tickets of two tenants with the same id are separate."""
    store(records, "a", ticket=use())
    other = new_file("a", tenant="other")
    records.write(Write(files=(other,), ticket=use()))
    assert records.ticket_uses("other", "t1") == 1


def test_without_a_limit_nothing_is_counted(records: Records) -> None:
    """The files of a ticket without a limit of files are not counted, and the ticket is never used
    up.
    """
    store(records, "a", ticket=use(max_files=1))
    for key in "bc":
        store(records, key, ticket=use(max_files=None))
    assert records.ticket_uses("demo", "t1") == 1


def test_parallel_uses(records: Records, database: Database) -> None:
    """If twenty writes use a ticket for three files at the same time, exactly three succeed."""
    outcomes: list[bool] = []

    def attempt(number: int) -> None:
        try:
            store(records, f"file-{number}", ticket=use(max_files=3))
            outcomes.append(True)
        except TicketUsedUp:
            outcomes.append(False)
        finally:
            database.close()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 3
    assert len(outcomes) == 20
    assert records.usage("demo").files == 3
    assert faults_in_counts(database) == []


@pytest.mark.usefixtures("all_tenants")
def test_forgetting(records: Records) -> None:
    """The counts of expired tickets are dropped, and those of valid tickets stay."""
    store(records, "a", ticket=use(max_files=9))
    assert records.forget_ticket_uses(EXPIRES) == 0
    assert records.ticket_uses("demo", "t1") == 1
    assert records.forget_ticket_uses(EXPIRES + 1) == 1
    assert records.ticket_uses("demo", "t1") == 0
