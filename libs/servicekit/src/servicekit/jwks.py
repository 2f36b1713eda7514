"""The public keys of the issuer: fetched in the background and stored on disk.

One process fetches the key set (`Fetcher`) and writes it to a file. Every worker reads this file
(`KeyFile`) when it changes. So the keys survive a restart while the issuer is down, and several
workers need one fetch. A request never waits for a fetch. If a worker finds an unknown key id, it
creates a file that asks the fetcher for a new fetch. Unknown ids cause at most one fetch in
`UNKNOWN_KEY_SECONDS`, no matter how many arrive.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import jwt

from servicekit import atomic_file
from servicekit.fetching import FetchError, fetch
from servicekit.tokens import KeysUnavailable

log = logging.getLogger(__name__)

UNKNOWN_KEY_SECONDS = 30.0
REFRESH_SECONDS = 300.0
RETRY_SECONDS = 1.0
_MAX_DOCUMENT_BYTES = 256 * 1024
_POLL_SECONDS = 0.5


class JwksError(Exception):
    """The key set could not be fetched or parsed."""


def parse(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the public keys of a key set by id (RFC 7517); raise `JwksError` without any.

    Entries without an id, private keys and unknown types are skipped.
    """
    try:
        entries = json.loads(document)["keys"]
        if not isinstance(entries, list):
            raise TypeError("keys is not a list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JwksError(f"not a key set: {error}") from None
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries:
        if not isinstance(entry, dict) or "d" in entry or not isinstance(entry.get("kid"), str):
            continue
        try:
            keys[entry["kid"]] = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue
    if not keys:
        raise JwksError("the key set has no usable key")
    return keys


class KeyFile:
    """The keys in a file that another process updates."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._version: tuple[int, int] | None = None
        self._polled_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, or `None`.

        For an unknown id, read the file again and request a new fetch. Raise `KeysUnavailable` if
        no keys were ever fetched.
        """
        if self._clock() - self._polled_at >= _POLL_SECONDS:
            self._look()
        key = self._keys.get(kid)
        if key is None:
            # Another worker may know this key already, and all workers must decide the same.
            self._look()
            key = self._keys.get(kid)
        if key is None:
            request_fetch(self._path)
            if not self._keys:
                raise KeysUnavailable("the issuer's keys are not loaded yet")
        return key

    def loaded(self) -> bool:
        """Tell whether any keys are loaded."""
        self._look()
        return bool(self._keys)

    def _look(self) -> None:
        """Read the file if it has changed."""
        with self._lock:
            self._polled_at = self._clock()
            try:
                status = os.stat(self._path)
                version = (status.st_mtime_ns, status.st_ino)
                if version != self._version:
                    self._keys, self._version = parse(self._path.read_bytes()), version
            except OSError:
                pass  # not fetched yet, or deleted: the loaded keys stay valid
            except JwksError as error:
                log.error("the key file is unusable: %s", error)  # noqa: TRY400 -- one line


def request_fetch(path: Path) -> None:
    """Ask the fetcher to fetch the keys soon."""
    try:
        os.close(os.open(_wanted(path), os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError as error:
        log.warning("cannot ask for new keys: %s", error.strerror)


def _wanted(path: Path) -> str:
    return f"{path}.wanted"


class Fetcher:
    """The fetcher that updates a key file; one thread of one process calls `run`, which blocks."""

    def __init__(self, url: str, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._path, self._clock = url, path, clock
        self._due = float("-inf")
        self._unknown_until = float("-inf")
        self.fetches = 0

    def fetch(self) -> None:
        """Fetch the key set once and replace the file; raise `JwksError` and `OSError`."""
        self.fetches += 1
        try:
            document = fetch(self._url, _MAX_DOCUMENT_BYTES)
        except FetchError as error:
            raise JwksError(str(error)) from None
        parse(document)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write(self._path, document)

    def step(self) -> None:
        """Fetch the key set if it is due, or if a worker has asked for an unknown key."""
        now = self._clock()
        if now < self._due and not self._asked(now):
            return
        try:
            self.fetch()
            self._due = self._clock() + REFRESH_SECONDS
        except (JwksError, OSError) as error:
            log.warning("cannot fetch the issuer's keys: %s", error)
            self._due = self._clock() + RETRY_SECONDS

    def _asked(self, now: float) -> bool:
        if now < self._unknown_until:
            return False
        try:
            os.unlink(_wanted(self._path))
        except OSError:
            return False
        self._unknown_until = now + UNKNOWN_KEY_SECONDS
        return True

    def run(self, stop: threading.Event) -> None:
        """Call `step` repeatedly until `stop` is set."""
        while not stop.wait(_POLL_SECONDS):
            self.step()
