"""Logs: one JSON object a line on standard error, for requests and for everything else."""

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

# DEL and the C1 control characters in UTF-8: terminals obey U+009B like ESC [, and JSON allows it.
_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]|\x7f")


# With its end. Longer than any line of ours that no stranger has had a part in, but for tracebacks.
LINE_BYTES = 8 * 1024
_CUT = "…"


def _encode(line: dict[str, object]) -> bytes:
    """The object as JSON that no terminal takes for a command, and that has a bound."""
    text = _json(line)
    length = LINE_BYTES // 2
    while len(text) >= LINE_BYTES and length:
        text = _json({name: _cut(name, value, length) for name, value in line.items()})
        length //= 2
    return text


def _cut(name: str, value: object, length: int) -> object:
    """A value of a line, cut to so many characters; the end is what matters of a traceback."""
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
        # Half a surrogate pair, as in names that are not UTF-8.
        text = json.dumps(line, default=str).encode()
    if _CONTROLS.search(text):
        text = _CONTROLS.sub(lambda found: b"\\u%04x" % found[0][-1], text)
    return text


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class JsonFormatter(logging.Formatter):
    """Renders a record as one line; control characters cannot leave the JSON string."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text without a line end."""
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
    """Sends the root logger's records to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Seven lines of what it consists of, whenever it is imported.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


_BLOCK_BYTES = 32 * 1024
_BEHIND_SECONDS = 1.0


class RequestLog:
    """Writes one line per request, past the logging module: this is the hot path.

    Lines are written whole, so those of several processes do not mix. With `buffer_seconds` they
    are gathered for so long and written together by a thread: each write lets go of Python's lock,
    and getting it back costs a request more than the line itself.
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
        """`lost` is called for each write that failed.

        `behind` is called after the lines were written, and each second: what belongs to requests
        and is no part of their way.
        """
        self._service, self._descriptor, self._lost = service, descriptor, lost
        self._behind = behind
        # Hears each line; None: nobody does (`servicekit.tracing`).
        self.describe: Callable[[dict[str, object]], object] | None = None
        self._buffer_seconds = buffer_seconds
        self._lines: deque[bytes] = deque()
        self._wanted = threading.Event()
        # The thread of this process; a fork inherits none.
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
        """Writes the line; `started` is `time.perf_counter()` at the request's start."""
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
        """Writes what was gathered, and does what comes behind."""
        self._write()
        self._behind()

    def _write(self) -> None:
        while block := self._block():
            try:
                os.write(self._descriptor, block)
            except OSError:
                # A full disk must not stop reads; the request has its answer already.
                if self._lost is not None:
                    self._lost()

    def _block(self) -> bytes:
        """The next lines, taken out; other threads may be taking some as well."""
        block = bytearray()
        try:
            while len(block) < _BLOCK_BYTES:
                block += self._lines.popleft()
        except IndexError:
            pass  # there are no more
        return bytes(block)

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
