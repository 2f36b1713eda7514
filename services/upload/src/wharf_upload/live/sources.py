"""The issuer's keys and the revocations, which the live channel reads from files.

If an upload service runs on the same data, its mule updates both files and this process only reads
them. Otherwise this process fetches both and writes its own files, because two processes must not
write the same file.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from servicekit.feed_follower import FeedFollower
from servicekit.jwks import Fetcher, KeyFile
from servicekit.revocations import Revocations
from servicekit.tokens import Key, KeysUnavailable, Principal

log = logging.getLogger(__name__)
_POLL_SECONDS = 1.0
# The mule asks each second. If a file is older than this, no mule runs.
_PATIENCE_SECONDS = 10.0


class Sources:
    """Implements `tokens.Keys` and `access.RevocationChecker`."""

    def __init__(self, theirs: tuple[Path, Path], own: tuple[Path, Path]) -> None:
        """Create the sources; each pair is the file of keys and the file of revocations."""
        self._key_files = [KeyFile(theirs[0])]
        self._heard = [Revocations(theirs[1])]
        self._own = own

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or `None`; raise `KeysUnavailable`."""
        missing: KeysUnavailable | None = None
        for file in self._key_files:
            try:
                key: Key | None = file.find(kid)
            except KeysUnavailable as error:
                missing = error
            else:
                missing = None
                if key is not None:
                    return key
        if missing is not None:
            raise missing
        return None

    def accepted(self, principal: Principal) -> Principal:
        """Return the principal with its current scopes and reach, by the newest revocations.

        Raises the errors of `Revocations.accepted`.
        """
        return self._newest().accepted(principal)

    def keys_error(self) -> str | None:
        """Return the error for `/readyz` if no key is loaded, else `None`."""
        loaded = any(file.loaded() for file in self._key_files)
        return None if loaded else "no key to verify tokens yet"

    def revocations_error(self) -> str | None:
        """Return the error for `/readyz` if the revocations are too old, else `None`."""
        return self._newest().error()

    def unheard(self) -> str | None:
        """Return the error for `/readyz` if the feed was never read, else `None`.

        Only a replica that is one of several uses this check.
        """
        return self._newest().unheard()

    def _newest(self) -> Revocations:
        return min(self._heard, key=Revocations.age_seconds)

    def follow_if_alone(self, jwks_url: str, feed_url: str, stop: threading.Event) -> None:
        """Wait; if no process updates the files, fetch keys and revocations until `stop` is set.

        The caller runs this method in a background thread.
        """
        waited = 0.0
        while waited < _PATIENCE_SECONDS or self._heard[0].age_seconds() < _PATIENCE_SECONDS:
            if stop.wait(_POLL_SECONDS):
                return
            waited += _POLL_SECONDS
        log.info("no upload service updates keys and revocations; this process fetches both")
        keys, heard = self._own
        keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key_files.append(KeyFile(keys))
        self._heard.append(Revocations(heard))
        fetcher, feed = Fetcher(jwks_url, keys), FeedFollower(feed_url, heard)
        threading.Thread(target=fetcher.run, args=(stop,), daemon=True).start()
        feed.run(stop)
