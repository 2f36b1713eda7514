"""Locks on files: one thread at a time holds a lock, until it releases the lock or fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servicekit import file_lock


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """Threads that read, wait and increment a number under the lock lose no increment."""
    number = tmp_path / "number"
    number.write_text("0")

    def work() -> None:
        for _ in range(20):
            with file_lock.held(tmp_path / "lock"):
                found = int(number.read_text())
                time.sleep(0.0005)
                number.write_text(str(found + 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert number.read_text() == "80"


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    """A block that fails releases the lock."""
    path = tmp_path / "lock"
    try:
        with file_lock.held(path):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with opened(path) as descriptor:
        assert file_lock.take(descriptor)


def test_what_is_given_back_is_taken_by_who_waits(tmp_path: Path) -> None:
    """A waiting thread gets the lock when the holder releases it, even if the file stays open."""
    path = tmp_path / "lock"
    with opened(path) as first, opened(path) as second:
        assert file_lock.take(first)
        timer = threading.Timer(0.05, file_lock.give_back, [first])
        timer.start()
        assert file_lock.take(second, 10)
        timer.join()
        assert not file_lock.take(first)
