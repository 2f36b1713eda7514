"""Tests of leases: who may write to an upload, and who may wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.servers.wharf.raw_http import until
from wharf_upload.database.contract import SharedLease
from wharf_upload.uploads.resumable.leases import Lease, Leases, UploadBusy


class Crowd:
    """Threads that each wait for the lease of a different upload."""

    def __init__(self, leases: Leases, uploads: list[str]) -> None:
        self.outcomes: list[str] = []
        self._leases = leases
        self._threads = [
            threading.Thread(target=self._take, args=(upload,), daemon=True) for upload in uploads
        ]
        for thread in self._threads:
            thread.start()

    def _take(self, upload: str) -> None:
        try:
            self._leases.take(upload).release()
        except UploadBusy:
            self.outcomes.append("busy")
        else:
            self.outcomes.append("taken")

    def join(self) -> None:
        """Wait until all have their outcome."""
        for thread in self._threads:
            thread.join(20)


def test_few_wait_however_many_uploads_are_held() -> None:
    """Of twelve requests for twelve leased uploads five wait, and seven are refused immediately."""
    leases = Leases()
    uploads = [f"upload-{number}" for number in range(12)]
    asked: list[str] = []
    held: list[Lease] = []
    for upload in uploads:
        lease = leases.take(upload)
        lease.on_request(lambda upload=upload: asked.append(upload))  # type: ignore[misc]
        held.append(lease)
    crowd = Crowd(leases, uploads)
    assert until(lambda: len(crowd.outcomes) == 7)
    assert set(crowd.outcomes) == {"busy"}
    # The refused requests have also asked for a release, so the next try can succeed.
    assert until(lambda: sorted(asked) == sorted(uploads))
    leases.take("free").release()
    for lease in held:
        lease.release()
    crowd.join()
    assert sorted(crowd.outcomes) == ["busy"] * 7 + ["taken"] * 5
    for upload in uploads:
        leases.take(upload).release()


def test_a_lease_that_nobody_has() -> None:
    """`take_free` returns a free lease.

    If the lease is taken, `take_free` returns `None` and asks the holder to release the lease.
    """
    leases = Leases()
    held = leases.take_free("upload")
    assert held is not None
    before = held.asked
    assert leases.take_free("upload") is None
    assert (before, held.asked) == (False, True)
    held.release()
    again = leases.take_free("upload")
    assert again is not None
    again.release()


class Elsewhere:
    """A stand-in for other replicas, which hold the leases of all uploads.

    During each of the first `times` tries to get a lease, another request of this process asks for
    the same lease.
    """

    def __init__(self, leases: list[Leases], times: int) -> None:
        self.asked, self._leases, self._times = 0, leases, times

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SharedLease | None:
        """Refuse the lease. During the first tries, ask for the lease as another request would."""
        assert (ask, callable(wanted)) == (False, True)
        self.asked += 1
        if self.asked <= self._times:
            assert self._leases[0].take_free(name.removeprefix("upload:")) is None
        return None

    def holds(self, name: str) -> bool:
        """Return False for every upload."""
        return not name

    def forget_old(self) -> int:
        """Return 0."""
        return 0


def test_who_only_tried_tries_again_for_others() -> None:
    """`take_free` tries again if another request of this process has asked for the lease."""
    found: list[Leases] = []
    others = Elsewhere(found, times=2)
    found.append(Leases(others))
    assert found[0].take_free("upload") is None
    assert others.asked == 3
