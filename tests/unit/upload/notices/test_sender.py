"""Tests of the sender, which queues notices and sends them in a background thread."""

from __future__ import annotations

import logging
import threading

import pytest

from tests.servers.stopped_sender import Stopped, at_once, ended, told, way
from tests.unit.upload.notices.test_messages import progress
from wharf_upload.notices import sender
from wharf_upload.notices.messages import Changed
from wharf_upload.notices.sender import PAUSE_SECONDS, Sender
from wharf_upload.notices.transports import NotSent

__all__ = ["at_once", "told", "way"]


def test_a_notice_is_sent_at_once(told: Sender, way: Stopped) -> None:
    """A notice is sent immediately, without waiting for further notices."""
    told.changed("demo")
    assert way.arrived() == [Changed("demo")]
    way.take()


def test_what_comes_meanwhile_is_one_frame(told: Sender, way: Stopped) -> None:
    """After a slow frame, the next frame names each tenant that changed in between only once."""
    told.changed("first")
    assert way.arrived() == [Changed("first")]
    for number in range(1000):
        told.changed(f"tenant-{number % 3}")
    told.changed("first")
    way.take()
    assert set(way.arrived()) == {Changed(t) for t in ("tenant-0", "tenant-1", "tenant-2", "first")}
    way.take()
    ended(told)
    assert way.frames.empty()


def test_frames_are_at_most_twenty_a_second(told: Sender, way: Stopped) -> None:
    """The sender pauses for a twentieth of a second after each frame."""
    told.changed("demo")
    way.arrived()
    told.changed("demo")
    way.take()
    way.arrived()
    way.take()
    ended(told)
    assert way.pauses == [PAUSE_SECONDS] * 2
    assert PAUSE_SECONDS >= 1 / 20


def test_progress_is_the_newest(told: Sender, way: Stopped) -> None:
    """A frame has the newest progress of each upload, before the tenants that have events."""
    told.changed("demo")
    way.arrived()
    for key in ("old", "new"):
        told.progress(progress("u1", key=key))
    told.progress(progress("u2"))
    told.changed("demo")
    way.take()
    assert way.arrived() == [progress("u1", key="new"), progress("u2"), Changed("demo")]
    way.take()


def test_a_change_survives_failures(
    told: Sender, way: Stopped, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure the sender sends changes again, but not progress, and logs one line."""
    told.changed("demo")
    told.progress(progress())
    for _ in range(3):
        way.arrived()
        way.take(NotSent("nobody there", 1.0))
    told.changed("other")
    last = way.arrived()
    if Changed("other") not in last:
        assert last == [Changed("demo")]
        way.take(NotSent("nobody there", 1.0))
        last = way.arrived()
    assert last == [Changed("demo"), Changed("other")]
    way.take()
    ended(told)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "notices are not sent, and the live channel is slower: nobody there"
    ]
    assert set(way.pauses[:3]) == {1.0}


def test_what_is_noted_is_bounded(
    told: Sender, way: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no notice can be sent, the sender keeps a bounded number of notices."""
    monkeypatch.setattr(sender, "MAX_TENANTS", 5)
    monkeypatch.setattr(sender, "MAX_UPLOADS", 2)
    told.changed("first")
    way.arrived()
    for number in range(100):
        told.changed(f"tenant-{number}")
        told.progress(progress(f"u{number}"))
    way.take()
    assert len(way.arrived()) == 7
    way.take()


def test_newer_progress_needs_no_room(
    told: Sender, way: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of uploads, newer progress of a stored upload replaces the older progress."""
    monkeypatch.setattr(sender, "MAX_UPLOADS", 2)
    told.changed("first")
    way.arrived()
    for key in ("old", "new"):
        for upload in ("u1", "u2", "u3"):
            told.progress(progress(upload, key=key))
    way.take()
    assert way.arrived() == [progress("u1", key="new"), progress("u2", key="new")]
    way.take()


def test_a_way_that_cannot_be_opened_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """If the transport cannot be opened, the caller continues and the log has the reason."""

    def failing() -> Stopped:
        raise ValueError("no such way")

    told = Sender(failing, lambda _: None)
    told.changed("demo")
    ended(told)
    assert "no such way" in caplog.text


def test_no_thread_can_be_started(
    told: Sender, way: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no thread can be started, the caller continues and the next notice tries again."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        told.changed("first")
    told.changed("second")
    assert way.arrived() == [Changed("first"), Changed("second")]
    way.take()
