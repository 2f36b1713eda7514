"""The issuer's keys and the revocations: the upload service's files, or this process's own.

Beside an upload service its mule keeps both files fresh, and this process only reads them. Where
nobody does, it follows both itself, to files of its own: two processes must not write one.
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
# The mule asks each second; after this long it is not there.
_PATIENCE_SECONDS = 10.0


class Sources:
    """Implements `tokens.Keys` and `access.RevocationChecker`."""

    def __init__(self, theirs: tuple[Path, Path], own: tuple[Path, Path]) -> None:
        """Each: the file of keys and the file of revocations."""
        self._key_files = [KeyFile(theirs[0])]
        self._heard = [Revocations(theirs[1])]
        self._own = own

    def find(self, kid: str) -> Key | None:
        """Return the key of this id, or `None`; raises `KeysUnavailable`."""
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
        """Return the caller as the newest knowledge has it; raises as `Revocations.accepted`."""
        return self._newest().accepted(principal)

    def keys_error(self) -> str | None:
        """For `/readyz`: whether there is a key."""
        loaded = any(file.loaded() for file in self._key_files)
        return None if loaded else "no key to verify tokens yet"

    def revocations_error(self) -> str | None:
        """For `/readyz`: how old the knowledge is, when it is older than it may be."""
        return self._newest().error()

    def unheard(self) -> str | None:
        """For `/readyz` of one replica of several: that it knows nothing of the feed yet."""
        return self._newest().unheard()

    def _newest(self) -> Revocations:
        return min(self._heard, key=Revocations.age_seconds)

    def follow_if_alone(self, jwks_url: str, feed_url: str, stop: threading.Event) -> None:
        """Wait; when nobody keeps the files fresh, do it until `stop` is set. For a thread."""
        waited = 0.0
        while waited < _PATIENCE_SECONDS or self._heard[0].age_seconds() < _PATIENCE_SECONDS:
            if stop.wait(_POLL_SECONDS):
                return
            waited += _POLL_SECONDS
        log.info("no upload service keeps keys and revocations fresh: following both")
        keys, heard = self._own
        keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key_files.append(KeyFile(keys))
        self._heard.append(Revocations(heard))
        fetcher, feed = Fetcher(jwks_url, keys), FeedFollower(feed_url, heard)
        threading.Thread(target=fetcher.run, args=(stop,), daemon=True).start()
        feed.run(stop)
