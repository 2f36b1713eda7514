"""Event numbers of an earlier release as cursors, valid while an event of that release is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servicekit.database.migrating import upgrade
from servicekit.testing import Issuer
from tests.servers.releases.laid import RELEASES, facts, lay
from tests.servers.upload import MIGRATIONS, UploadService, assemble, issuer, settings_for

__all__ = ["issuer"]
DAY = 86_400
KEPT = 90 * DAY


@dataclass(frozen=True)
class Old:
    """Data of an earlier release, and the numbers of its events."""

    data: Path
    issuer: Issuer
    numbers: list[int]
    closing_with: ExitStack

    def after(self, seconds: int) -> UploadService:
        """Return the service with a database that was updated so many seconds ago."""
        with closing(sqlite3.connect(self.data / "upload" / "upload.db")) as database, database:
            database.execute(
                "UPDATE event_numbers SET changed_at = changed_at - ?", (seconds * 1000,)
            )
        service = assemble(settings_for(self.data, event_seconds=KEPT), self.issuer)
        self.closing_with.callback(service.database.close)
        return service


@pytest.fixture(params=RELEASES)
def old(request: pytest.FixtureRequest, tmp_path: Path, issuer: Issuer) -> Iterator[Old]:
    """Yield migrated data without a running service."""
    lay(request.param, tmp_path / "data")
    upgrade(f"sqlite:///{tmp_path / 'data' / 'upload' / 'upload.db'}", MIGRATIONS)
    numbers = [number for number, _ in facts(request.param)["events"]]
    with ExitStack() as closing_with:
        yield Old(tmp_path / "data", issuer, numbers, closing_with)


def page(service: UploadService, query: str) -> dict[str, Any]:
    """Return a page of the tenant's events."""
    fields = {"Authorization": f"Bearer {service.issuer.token(tid='demo', scope='events:read')}"}
    reply = service.request("GET", f"/v1/events?{query}", headers=fields)
    told: dict[str, Any] = {"status": reply.status_code, **reply.get_json()}
    return told


def test_a_release_beside_reads_what_is_given(old: Old) -> None:
    """Right after an update cursors are still numbers, which the earlier release can also read."""
    told = page(old.after(0), "limit=2")
    assert [one["id"] for one in told["events"]] == old.numbers[:2]
    assert told["next_after"] == old.numbers[1]


def test_numbers_lead_on(old: Old) -> None:
    """New cursors are opaque, and a number still works in `after` and in `before`."""
    service = old.after(2 * DAY)
    every = page(service, "limit=1000")["events"]
    assert len(every) == len(old.numbers)
    assert not {one["id"] for one in every} & {*old.numbers, *map(str, old.numbers)}
    assert page(service, f"after={old.numbers[2]}&limit=1000")["events"] == every[3:]
    newest = page(service, f"order=newest&before={old.numbers[2]}")
    assert newest["events"] == every[1::-1]
    assert page(service, f"after={every[2]['id']}&limit=1000")["events"] == every[3:]


def test_numbers_end(old: Old) -> None:
    """When all events of the old release are deleted a number gets `event-cursor-expired`.

    A new cursor still works, and `after=0` still starts at the beginning.
    """
    service = old.after(KEPT)
    every = page(service, "limit=1000")["events"]
    assert page(service, "after=0&limit=1000")["events"] == every
    for query in (f"after={old.numbers[2]}", f"order=newest&before={old.numbers[2]}"):
        refused = page(service, query)
        assert refused["type"] == "/problems/event-cursor-expired", query
    assert page(service, f"after={every[2]['id']}&limit=1000")["events"] == every[3:]
