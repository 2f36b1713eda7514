"""Logs: each record is one JSON object on one line, with any characters in its values."""

from __future__ import annotations

import fcntl
import io
import json
import logging
import os
import select
import signal
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


def write(log: RequestLog, route: str = "/") -> None:
    """Write a line of the request log."""
    log.write(request_id="r", method="GET", route=route, status=200, started=0.0)


def test_lines_of_processes_do_not_mix() -> None:
    """A block has whole lines and at most 4,096 bytes, and a longer line is alone.

    Linux does not put bytes of other processes between the bytes of such a block.
    """
    # With O_DIRECT a read returns one block, or 4,096 bytes of it.
    reading, writing = os.pipe2(os.O_DIRECT)
    log = RequestLog("upload", writing, buffer_seconds=0.1)
    for number in range(90):
        write(log, f"/{number:0{6000 if number == 40 else 3}}")
    blocks: list[bytes] = []
    while b"".join(blocks).count(b"\n") < 90:
        blocks.append(os.read(reading, 65536))
    os.close(writing)
    os.close(reading)
    (begin,) = (place for place, block in enumerate(blocks) if not block.endswith(b"\n"))
    assert all(block.startswith(b"{") for block in [*blocks[: begin + 1], *blocks[begin + 2 :]])
    assert blocks[begin + 1].count(b"\n") == 1
    written = [json.loads(line) for line in b"".join(blocks).splitlines()]
    assert [int(line["route"][-3:]) for line in written] == list(range(90))


def test_an_interrupted_write_is_completed() -> None:
    """A signal that interrupts the write of a line does not shorten the line."""
    reading, writing = os.pipe()
    # The pipe has room for a part of the line, and each signal reads this part.
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    received: list[bytes] = []
    done = threading.Event()

    def read(*_: object) -> None:
        if select.select([reading], [], [], 0)[0]:
            received.append(os.read(reading, 65536))

    def interrupt() -> None:
        while not done.wait(0.01):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, read)
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        write(RequestLog("upload", writing), "/" * 6000)
    finally:
        done.set()
        interrupting.join()
        signal.signal(signal.SIGUSR1, before)
    os.close(writing)
    with os.fdopen(reading, "rb") as rest:
        assert json.loads(b"".join([*received, rest.read()]))["route"] == "/" * 6000


def test_each_lost_line_counts() -> None:
    """The log calls `lost` for each line that it could not write completely."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    lost = threading.Semaphore(0)
    log = RequestLog("upload", writing, lost=lost.release)
    write(log)
    assert not lost.acquire(blocking=False)
    write(log, "/" * 6000)
    assert lost.acquire(blocking=False)
    os.close(reading)
    collecting = RequestLog("upload", writing, lost=lost.release, buffer_seconds=0.1)
    for _ in range(30):
        write(collecting)
    for _ in range(30):
        assert lost.acquire(timeout=30)
    assert not lost.acquire(blocking=False)
    os.close(writing)


def test_times_are_rfc_3339() -> None:
    """A timestamp is in UTC with milliseconds, as RFC 3339 writes it."""
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1795193473.104) == "2026-11-20T16:51:13.104Z"
