"""Logs: each record is one JSON object on one line, with any characters in its values."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
from typing import Any

import pytest

from servicekit.logs import LINE_BYTES, JsonFormatter, RequestLog, timestamp

NASTY = [
    "two\r\nlines",
    "\x1b[31mred\x1b[0m",
    "nul\0",
    "line\u2028separator\u2029",
    "\u202eevil",
    '"quote\\',
    "日本語 🦊",
    "\x7f\x9b31m\x85",
    "not UTF-8: \udce4",
]


def formatted(message: str, **extra: Any) -> str:
    """Return one record as the service formats it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("auth"))
    record = logging.LogRecord("test", logging.INFO, "x.py", 1, message, (), None)
    record.__dict__.update(extra)
    handler.emit(record)
    return stream.getvalue()


@pytest.mark.parametrize("text", NASTY)
def test_message_stays_one_line(text: str) -> None:
    """CR, LF and terminal escapes in a value cannot make a second line (security.md 76)."""
    written = formatted(text)
    assert written.count("\n") == 1
    assert not any(character in written for character in "\x1b\x7f\x9b\x85")
    assert "\r" not in written
    assert json.loads(written)["message"] == text


@pytest.mark.parametrize("text", NASTY)
def test_request_line_stays_one_line(text: str) -> None:
    """A line of the request log stays one line, although it does not use the module `logging`."""
    reading, writing = os.pipe()
    RequestLog("upload", writing).write(
        request_id="r",
        method="PUT",
        route="/v1/files",
        status=201,
        started=time.perf_counter(),
        tenant=text,
        subject=text,
        outcome=text,
        filename=text,
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        written = lines.read()
    assert written.count(b"\n") == 1
    assert not any(control.encode() in written for control in ("\x1b", "\x7f", "\x9b", "\x85"))
    assert b"\r" not in written
    line = json.loads(written)
    assert (line["tenant"], line["filename"]) == (text, text)
    assert line["level"] == "info"


def test_record_has_its_fields() -> None:
    """A record has time, level, service, logger and its own fields."""
    line = json.loads(formatted("started", fields={"tenant": "demo"}))
    assert line["service"] == "auth"
    assert line["level"] == "info"
    assert line["logger"] == "test"
    assert line["tenant"] == "demo"
    assert line["time"].endswith("Z")


def test_exceptions_are_part_of_the_line() -> None:
    """The traceback of an exception is a value in the record's line."""
    try:
        raise RuntimeError("broken\nhere")
    except RuntimeError as error:
        written = formatted("failed", exc_info=(type(error), error, error.__traceback__))
    assert written.count("\n") == 1
    assert "RuntimeError" in json.loads(written)["exception"]


@pytest.mark.parametrize("character", ["x", "\0", "🦊", "\x9b", "\udce4"])
def test_a_line_has_a_bound(character: str) -> None:
    """A line has a maximum length and stays valid JSON; a truncated value ends with "…"."""
    nested = {"names": [character] * 30_000}
    fields = {"tenant": "demo", "status": 7, "key": character * 30_000, "more": nested}
    written = formatted(character * 30_000, fields=fields)
    assert len(written.encode()) <= LINE_BYTES
    line = json.loads(written)
    assert (line["tenant"], line["status"]) == ("demo", 7)
    assert line["key"].endswith("…")
    assert line["key"].startswith(character * 100)


def test_the_end_of_a_traceback_is_kept() -> None:
    """A traceback that is too long keeps its end, which contains the error."""
    error = RuntimeError("x" * 20_000 + "the cause")
    line = json.loads(formatted("failed", exc_info=(type(error), error, None)))
    assert line["message"] == "failed"
    assert line["exception"].startswith("…")
    assert line["exception"].endswith("the cause")


def test_lines_of_threads_do_not_mix() -> None:
    """A line is written with one call, so that lines of concurrent threads do not mix."""
    reading, writing = os.pipe()
    log = RequestLog("upload", writing)

    def work() -> None:
        for _ in range(50):
            log.write(request_id="r", method="GET", route="/", status=200, started=0.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        assert len([json.loads(line) for line in lines]) == 200


def test_times_are_rfc_3339() -> None:
    """A timestamp is in UTC with milliseconds, as RFC 3339 writes it."""
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1795193473.104) == "2026-11-20T16:51:13.104Z"
