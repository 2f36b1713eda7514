"""Leases: who may write to an upload, and who may wait for it."""

from __future__ import annotations

import threading

from tests.e2e.raw_http import until
from wharf_upload.uploads.resumable.leases import Lease, Leases, UploadBusy


class Crowd:
    """Threads that wait, each for the lease of another upload."""

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
        """Waits until all have their outcome."""
        for thread in self._threads:
            thread.join(20)


def test_few_wait_however_many_uploads_are_held() -> None:
    """Of twelve requests for twelve held uploads five wait, and seven are refused at once."""
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
    # Those that were refused have asked, too: next time the upload is free.
    assert until(lambda: sorted(asked) == sorted(uploads))
    leases.take("free").release()
    for lease in held:
        lease.release()
    crowd.join()
    assert sorted(crowd.outcomes) == ["busy"] * 7 + ["taken"] * 5
    for upload in uploads:
        leases.take(upload).release()
