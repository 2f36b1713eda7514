"""Follows the feed of revocations: asks each second, and keeps what it hears in a file.

One process follows and writes, every worker reads (`servicekit.revocations`). New entries are
appended; now and then the file is written anew without those that nobody needs any more. The
follower itself holds no entries in memory. Each is kept as it came: what an older release does not
know of it, kinds and members, is there for the next one on the same file.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from servicekit import atomic_file
from servicekit.fetching import FetchError, fetch
from servicekit.revocations import KINDS, Revocation

log = logging.getLogger(__name__)
POLL_SECONDS = 1.0
PAGE_ENTRIES = 1000
# How often what has expired is dropped, and after how many new entries at the least.
_COMPACT_SECONDS, _COMPACT_ENTRIES = 600.0, 1000
# Every worker reads a new file from its beginning, so a long one is made the more rarely.
_LONG_ENTRIES = 10_000
_MAX_DOCUMENT_BYTES = 4 << 20


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """As `revocations.Feed`, with the entries as they came."""

    entries: tuple[msgspec.Raw, ...]
    latest: int


_page_of = msgspec.json.Decoder(_Page).decode
_entry_of = msgspec.json.Decoder(Revocation).decode


class FeedError(Exception):
    """The feed did not answer, or not with what it promises."""


class FeedFollower:
    """Keeps the file fresh; `run` blocks and belongs into a thread of one process."""

    def __init__(self, url: str, path: Path, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives unix seconds."""
        self._url, self._path, self._clock = url, path, clock
        self._position = self._kept = self._appended = 0
        # At first so that the first poll makes the file, with entries or without.
        self._compacted_at = float("-inf")
        self._failing = self._damaged = False
        self._unknown_kinds: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Polls until `stop` is set."""
        self.open()
        while not stop.is_set():
            self.step()
            stop.wait(POLL_SECONDS)

    def open(self) -> None:
        """Takes over the file that an earlier process left."""
        try:
            heard_at = self._path.stat().st_mtime
            self._rewrite(self._file_pages(), heard_at)
        except FileNotFoundError:
            pass  # the first poll makes it
        except OSError as error:
            log.error("the file of revocations cannot be taken over: %s", error)  # noqa: TRY400 -- one line

    def step(self) -> None:
        """Polls once; a failure is logged when it begins, and again when it is over."""
        try:
            self.poll()
        except (FeedError, OSError) as error:
            if not self._failing:
                log.warning("cannot follow the revocations, going on without: %s", error)
            self._failing = True
            return
        except Exception:
            # The thread has to go on: without it nothing more would ever be heard.
            log.exception("the revocations cannot be followed")
            return
        if self._failing:
            log.info("following the revocations again")
        self._failing = False

    def poll(self) -> None:
        """Hears everything that is new; raises `FeedError` and `OSError`."""
        first = self._page(self._position)
        if first.latest < self._position:
            log.warning("the feed of revocations has begun anew")
            self._begin_anew()
            return
        for page in self._pages_after(first):
            if page.entries:
                self._append(page)
        now = self._clock()
        many = self._appended > max(_COMPACT_ENTRIES, self._kept)
        pause = _COMPACT_SECONDS * max(1, self._kept / _LONG_ENTRIES)
        if many or now - self._compacted_at >= pause:
            self._rewrite(self._file_pages(), now)
        os.utime(self._path, (now, now))

    def _begin_anew(self) -> None:
        """Replaces what is known by the new feed; `auth` was restored or set up again.

        Tokens and sessions that were revoked stay so until they have expired: nobody wants them
        back. Of subjects and tenants the new feed alone decides: they may be alive again.
        """
        old = tuple(
            raw
            for page in self._file_pages()
            for raw in page.entries
            if (entry := _entry_of(raw)).kind in {"token", "session"} and entry.until is not None
        )
        pages = [_Page(entries=old, latest=0), *self._pages_after(self._page(0))]
        self._rewrite(pages, self._clock())

    # ---- the feed ----

    def _pages_after(self, page: _Page) -> Iterator[_Page]:
        """One page and those that follow; each says how far it goes as its `latest`."""
        while page.entries:
            end = _entry_of(page.entries[-1]).seq
            yield _Page(entries=page.entries, latest=end)
            page = self._page(end)

    def _page(self, after: int) -> _Page:
        try:
            document = fetch(f"{self._url}?after={after}&limit={PAGE_ENTRIES}", _MAX_DOCUMENT_BYTES)
            # Without blanks between members: in the file a page is a line.
            page = _page_of(msgspec.json.format(document, indent=-1))
            entries = [_entry_of(raw) for raw in page.entries]
        except (FetchError, msgspec.DecodeError) as error:
            raise FeedError(str(error)) from None
        numbers = [after, *(entry.seq for entry in entries)]
        if any(one >= other for one, other in itertools.pairwise(numbers)):
            raise FeedError("the entries of the feed are not in order")
        self._notice({entry.kind for entry in entries} - KINDS)
        return page

    def _notice(self, kinds: set[str]) -> None:
        """Says once of each kind that this release does not know it."""
        for kind in sorted(kinds - self._unknown_kinds):
            log.warning("the feed has entries of a kind that this release passes over: %s", kind)
        self._unknown_kinds |= kinds

    # ---- the file ----

    def _append(self, page: _Page) -> None:
        if not self._path.exists():
            self._rewrite((page,), self._clock())
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        try:
            _write(descriptor, page)
            os.fsync(descriptor)
        except OSError:
            # Half a line would spoil the next one.
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        self._position = page.latest
        self._appended += len(page.entries)

    def _file_pages(self) -> Iterator[_Page]:
        """What the file holds; half a line at its end is none, a damaged one is left out."""
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                try:
                    page = _page_of(line)
                    for raw in page.entries:
                        _entry_of(raw)
                except msgspec.DecodeError as error:
                    log.error("the feed is read from its beginning, since: %s", error)  # noqa: TRY400 -- one line
                    self._damaged = True
                else:
                    yield page

    def _rewrite(self, pages: Iterable[_Page], heard_at: float) -> None:
        """Writes the file anew, each thing's last entry only, without those whose time is over.

        `heard_at` (unix seconds) is when the feed was last heard of: writing is no word from it.
        """
        position, now = 0, int(self._clock())
        last: dict[tuple[str, str, str], msgspec.Raw] = {}
        for page in pages:
            position = page.latest
            for raw in page.entries:
                entry = _entry_of(raw)
                name = (entry.kind, entry.tenant, entry.id)
                last.pop(name, None)
                if entry.state != "active" and (entry.until is None or entry.until > now):
                    last[name] = raw.copy()
        if self._damaged:
            position, self._damaged = 0, False
        entries = tuple(_needed(last))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file.replacing(self._path, mode=0o600, durable=True) as file:
            descriptor = file.fileno()
            for start in range(0, len(entries), PAGE_ENTRIES):
                _write(descriptor, _Page(entries=entries[start : start + PAGE_ENTRIES], latest=0))
            _write(descriptor, _Page(entries=(), latest=position))
            os.utime(descriptor, (heard_at, heard_at))
        self._position, self._kept, self._appended = position, len(entries), 0
        self._compacted_at = self._clock()


def _needed(last: dict[tuple[str, str, str], msgspec.Raw]) -> Iterator[msgspec.Raw]:
    """Yields entries, but of purged tenants those alone that refuse: nobody reaches anything."""
    purged = {
        tenant
        for (kind, tenant, _), raw in last.items()
        if kind == "tenant" and _entry_of(raw).state == "purged"
    }
    for (kind, tenant, _), raw in last.items():
        if kind not in {"reach", "group"} or tenant not in purged:
            yield raw


def _write(descriptor: int, page: _Page) -> None:
    rest = memoryview(msgspec.json.encode(page) + b"\n")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
