"""Uploads from several threads that remember the acknowledged files."""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

# The two smaller bodies are sent to the service in the request, the larger ones through the spool.
# The largest body may be under way when the process is killed.
SIZES = (200, 10_000, 300_000, 3_000_000)
Put = Callable[[str, bytes], bool]


@dataclass
class Load:
    """Uploads and their results, by key: `acknowledged` has the digest of the last body that was
    acknowledged, and `uncertain` has the digests of bodies without a response.
    """

    put: Put
    threads: int = 6
    acknowledged: dict[str, str] = field(default_factory=dict)
    uncertain: dict[str, set[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def run_until(self, number: int, then: Callable[[], None]) -> None:
        """Upload until `number` files were acknowledged, then call `then`. The uploads
        continue until `then` returns.
        """
        enough, over = threading.Event(), threading.Event()
        workers = [
            threading.Thread(target=self._work, args=(one, number, enough, over), daemon=True)
            for one in range(self.threads)
        ]
        for worker in workers:
            worker.start()
        assert enough.wait(120), "the load does not get through"
        then()
        over.set()
        for worker in workers:
            worker.join(120)
            assert not worker.is_alive()

    def _work(
        self, thread: int, number: int, enough: threading.Event, over: threading.Event
    ) -> None:
        count = 0
        while not over.is_set():
            # Of three uploads, the second has the key of the first, so that files are also
            # replaced.
            key = f"{thread}/{count - count % 3 if count % 3 == 1 else count}.bin"
            body = os.urandom(SIZES[(thread + count) % len(SIZES)])
            digest = hashlib.sha256(body).hexdigest()
            count += 1
            try:
                if self.put(key, body):
                    self.acknowledged[key] = digest
                    self.uncertain.pop(key, None)
                else:
                    self.refused.append(key)
            except (OSError, http.client.HTTPException):
                self.uncertain.setdefault(key, set()).add(digest)
                return
            finally:
                if len(self.acknowledged) >= number:
                    enough.set()

    def faults(self, there: dict[str, str]) -> list[str]:
        """Return the faults of the stored files. `there` has their digests by key."""
        found = [
            f"{key} was acknowledged and is {there.get(key, 'not there')}"
            for key, digest in self.acknowledged.items()
            if there.get(key) not in {digest, *self.uncertain.get(key, ())}
        ]
        return found + [
            f"{key} was never sent"
            for key, digest in there.items()
            if digest not in {self.acknowledged.get(key), *self.uncertain.get(key, ())}
        ]
