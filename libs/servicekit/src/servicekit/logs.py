"""Logs: one JSON object on each line of standard error, for requests and for other messages."""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

# DEL and the C1 control characters in UTF-8. JSON allows them, but terminals execute U+009B like
# ESC [.
_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]|\x7f")


# The most bytes of a line, with its line end. Only tracebacks and texts from clients are longer.
LINE_BYTES = 8 * 1024
_CUT = "…"


def _encode(line: dict[str, object]) -> bytes:
    """Encode an object as JSON without terminal commands, and cut it to `LINE_BYTES`."""
    text = _json(line)
    length = LINE_BYTES // 2
    while len(text) >= LINE_BYTES and length:
        text = _json({name: _cut(name, value, length) for name, value in line.items()})
        length //= 2
    return text


def _cut(name: str, value: object, length: int) -> object:
    """Return a value of a line, cut to `length` characters; keep the end of a traceback."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) <= length:
        return value
    return _CUT + text[-length:] if name == "exception" else text[:length] + _CUT


def _json(line: dict[str, object]) -> bytes:
    try:
        text = msgspec.json.encode(line)
    except UnicodeEncodeError:
        # A lone surrogate, for instance from a name that is not UTF-8.
        text = json.dumps(line, default=str).encode()
    if _CONTROLS.search(text):
        text = _CONTROLS.sub(lambda found: b"\\u%04x" % found[0][-1], text)
    return text


def timestamp(seconds: float) -> str:
    """Convert unix seconds to RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class JsonFormatter(logging.Formatter):
    """A formatter that renders a record as one line of JSON and escapes control characters."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON text without a line end."""
        line: dict[str, object] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line).decode()


def configure(service: str, level: str = "INFO") -> None:
    """Send the root logger's records to standard error as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At each import alembic logs seven lines about its plugins.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


# PIPE_BUF of Linux: a pipe takes so many bytes completely, or none of them, and never with bytes of
# another process between them.
_BLOCK_BYTES = 4096
_BEHIND_SECONDS = 1.0


class RequestLog:
    """The request log: one line for each request, without the logging module, for speed.

    Each write has only complete lines, so the lines of several processes do not mix in a file. With
    `buffer_seconds`, a background thread collects lines for this time and writes them together.
    Each write releases Python's lock, and a request needs more time to get the lock again than to
    make the line.
    """

    def __init__(
        self,
        service: str,
        descriptor: int = 2,
        *,
        lost: Callable[[], object] | None = None,
        buffer_seconds: float = 0.0,
        behind: Callable[[], object] = lambda: None,
    ) -> None:
        """Create a request log for a service that writes to `descriptor`.

        The log calls `lost` for each line that it cannot write completely. The log calls `behind`
        after it has written lines, and with `buffer_seconds` also each second. `behind` is for work
        that belongs to requests but must not delay them.
        """
        self._service, self._descriptor, self._lost = service, descriptor, lost
        self._behind = behind
        # A function that is called with each line, for `servicekit.tracing`.
        self.describe: Callable[[dict[str, object]], object] | None = None
        self._buffer_seconds = buffer_seconds
        self._lines: deque[bytes] = deque()
        self._wanted = threading.Event()
        # The id of the process that has the background thread; a forked process has no thread.
        self._flusher = 0
        self._second, self._stamp = 0, ""

    def write(
        self,
        *,
        request_id: str,
        method: str,
        route: str,
        status: int,
        started: float,
        tenant: str | None = None,
        subject: str | None = None,
        outcome: str | None = None,
        **fields: object,
    ) -> None:
        """Write the line; `started` is `time.perf_counter()` at the request's start."""
        now = int(time.time())
        if now != self._second:
            self._second, self._stamp = now, timestamp(now)
        line = {
            "time": self._stamp,
            "level": "info",
            "service": self._service,
            "request_id": request_id,
            "tenant": tenant,
            "subject": subject,
            "method": method,
            "route": route,
            "status": status,
            "outcome": outcome,
            "milliseconds": round((time.perf_counter() - started) * 1e3, 2),
            **fields,
        }
        if self.describe is not None:
            self.describe(line)
        self._lines.append(_encode(line) + b"\n")
        if not self._buffer_seconds:
            self.flush()
        elif not self._wanted.is_set():
            self._ask_for_flush()

    def flush(self) -> None:
        """Write the collected lines, then call `behind`."""
        self._write()
        self._behind()

    def _write(self) -> None:
        """Write the collected lines in blocks of whole lines; a line above 4,096 bytes is alone.

        Other threads may remove lines concurrently.
        """
        block = bytearray()
        try:
            while True:
                line = self._lines.popleft()
                if block and len(block) + len(line) > _BLOCK_BYTES:
                    self._write_block(block)
                    block = bytearray()
                block += line
        except IndexError:
            pass  # no lines are left
        if block:
            self._write_block(block)

    def _write_block(self, block: bytearray) -> None:
        try:
            while (written := os.write(self._descriptor, block)) < len(block):
                del block[:written]
        except OSError:
            # A full disk must not stop requests; the response was sent before.
            if self._lost is not None:
                for _ in range(block.count(b"\n")):
                    self._lost()

    def _ask_for_flush(self) -> None:
        if self._flusher != os.getpid():
            self._flusher = os.getpid()
            threading.Thread(target=self._flush_now_and_then, daemon=True).start()
            atexit.register(self.flush)
        self._wanted.set()

    def _flush_now_and_then(self) -> None:
        while True:
            if self._wanted.wait(_BEHIND_SECONDS):
                time.sleep(self._buffer_seconds)
            self._wanted.clear()
            self.flush()
