"""The follower of the feed of revocations: it requests the feed each second and writes a file.

One process follows the feed and writes the file; every worker reads it (`servicekit.revocations`).
The follower appends new entries, and periodically rewrites the file without expired entries. The
follower keeps no entries in memory between two requests. The file has the entries unchanged, even
members and kinds that this release does not know, so that a newer release can use the same file.
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
# The file is rewritten after this time, or after this number of new entries.
_COMPACT_SECONDS, _COMPACT_ENTRIES = 600.0, 1000
# Every worker has to read a rewritten file completely, so a long file is rewritten less often.
_LONG_ENTRIES = 10_000
_MAX_DOCUMENT_BYTES = 4 << 20


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the feed, like `revocations.Feed`, but its entries are unparsed JSON."""

    entries: tuple[msgspec.Raw, ...]
    latest: int


_page_of = msgspec.json.Decoder(_Page).decode
_entry_of = msgspec.json.Decoder(Revocation).decode


class FeedError(Exception):
    """The feed is unavailable, or its response breaks its contract."""


class FeedFollower:
    """The follower of the feed; one thread of one process calls `run`, which blocks."""

    def __init__(self, url: str, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Create a follower; `clock` returns unix seconds."""
        self._url, self._path, self._clock = url, path, clock
        self._position = self._kept = self._appended = 0
        # With this value the first poll creates the file, even without entries.
        self._compacted_at = float("-inf")
        self._failing = self._damaged = False
        self._unknown_kinds: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Poll the feed until `stop` is set."""
        self.open()
        while not stop.is_set():
            self.step()
            stop.wait(POLL_SECONDS)

    def open(self) -> None:
        """Read and rewrite the file of an earlier process."""
        try:
            heard_at = self._path.stat().st_mtime
            self._rewrite(self._file_pages(), heard_at)
        except FileNotFoundError:
            pass  # the first poll creates it
        except OSError as error:
            log.error("cannot read the existing file of revocations: %s", error)  # noqa: TRY400 -- one line

    def step(self) -> None:
        """Poll once; log the first of several failures, and the first success after them."""
        try:
            self.poll()
        except (FeedError, OSError) as error:
            if not self._failing:
                log.warning(
                    "cannot request the feed of revocations, the last known entries apply: %s",
                    error,
                )
            self._failing = True
            return
        except Exception:
            # The thread has to continue: without it no new entry would ever be received.
            log.exception("following the feed of revocations failed")
            return
        if self._failing:
            log.info("the feed of revocations is available again")
        self._failing = False

    def poll(self) -> None:
        """Request all new entries and write them to the file; raise `FeedError` and `OSError`."""
        first = self._page(self._position)
        if first.latest < self._position:
            log.warning(
                "the feed of revocations was restarted, it is read again from its beginning"
            )
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
        """Replace the file by the new feed, after auth was restored or installed again.

        Revoked tokens and sessions stay revoked until they expire. For subjects and tenants only
        the new feed applies, since they may be active again.
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
        """Yield a page and all pages after it; `latest` is the number of a page's last entry."""
        while page.entries:
            end = _entry_of(page.entries[-1]).seq
            yield _Page(entries=page.entries, latest=end)
            page = self._page(end)

    def _page(self, after: int) -> _Page:
        try:
            document = fetch(f"{self._url}?after={after}&limit={PAGE_ENTRIES}", _MAX_DOCUMENT_BYTES)
            # Format without line breaks: in the file each page is one line.
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
        """Log each unknown kind of entry once."""
        for kind in sorted(kinds - self._unknown_kinds):
            log.warning("the feed has entries of a kind that this release ignores: %s", kind)
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
            # An incomplete line would damage the next line.
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        self._position = page.latest
        self._appended += len(page.entries)

    def _file_pages(self) -> Iterator[_Page]:
        """Yield the pages in the file, without an incomplete last line and damaged lines."""
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
                    log.error("damaged line, the feed is read again: %s", error)  # noqa: TRY400 -- one line
                    self._damaged = True
                else:
                    yield page

    def _rewrite(self, pages: Iterable[_Page], heard_at: float) -> None:
        """Rewrite the file with the last entry for each kind, tenant and id.

        Entries that have expired or restore the state `active` are left out.
        `heard_at` is the time of the last successful request to the feed in unix seconds. The file
        keeps it as its modification time, since a rewrite requests nothing from the feed.
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
    """Yield the entries, except those about reaches and groups of purged tenants.

    Services refuse all tokens of a purged tenant, so they do not need its reaches and groups.
    """
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
