"""The fan-out: the thread that makes deliveries of the events of all tenants."""

from __future__ import annotations

import pytest

from servicekit.database import DatabaseUnavailable
from tests.servers.endpoints import added
from tests.servers.rounds import Rounds
from tests.servers.upload import UploadService
from wharf_upload.database.fan_out import SqlFanOut
from wharf_upload.webhooks import fan_out
from wharf_upload.webhooks.fan_out import FanOut


def _open_deliveries(upload: UploadService) -> list[tuple[str, str]]:
    rows = upload.database.reading().rows("SELECT tenant, endpoint FROM deliveries")
    return sorted((row[0], row[1]) for row in rows)


def test_each_endpoint(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step makes deliveries for the endpoints of all tenants that have new events."""
    monkeypatch.setattr(fan_out, "_ENDPOINTS_A_TIME", 1)
    names = [added(upload).endpoint.id for _ in range(3)]
    added(upload, "other")
    upload.put("a", b"text")
    own = FanOut(upload.records.fan_out, lambda: True)
    assert own.step() == 3
    assert _open_deliveries(upload) == [("demo", name) for name in sorted(names)]
    assert own.step() == 0


def test_the_turn_of_another_worker(upload: UploadService) -> None:
    """A process makes no deliveries while another process has the turn."""
    added(upload)
    upload.put("a", b"text")
    turns = iter([False, True, False])
    rounds = Rounds(2)
    FanOut(upload.records.fan_out, lambda: next(turns)).run(rounds)
    assert len(_open_deliveries(upload)) == 1
    upload.put("b", b"text")
    FanOut(upload.records.fan_out, lambda: next(turns)).run(Rounds(1))
    assert len(_open_deliveries(upload)) == 1


class _Failing(SqlFanOut):
    """Raises an error at the first query."""

    def __init__(self, upload: UploadService, error: Exception) -> None:
        self._upload, self._errors = upload, [error]

    def behind(self, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        if self._errors:
            raise self._errors.pop()
        return self._upload.records.fan_out.behind(after, limit)

    def fan_out(self, tenant: str, endpoint: str) -> bool:
        return self._upload.records.fan_out.fan_out(tenant, endpoint)


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), RuntimeError("a fault")])
def test_errors(upload: UploadService, error: Exception) -> None:
    """After an error, of the database or of the code, the next round makes the deliveries."""
    added(upload)
    upload.put("a", b"text")
    FanOut(_Failing(upload, error), lambda: True).run(Rounds(2))
    assert len(_open_deliveries(upload)) == 1
