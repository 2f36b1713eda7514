"""Storage of sessions: files, file modes and lifetimes."""

from __future__ import annotations

import os
import pickle
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import LOGIN, grant
from tests.servers.fake_gateway import FakeGateway
from wharf_console.sessions import records, stores
from wharf_console.sessions.file_records import FileRecords
from wharf_console.sessions.interface import SessionFiles
from wharf_console.settings import Settings


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_only_the_service_itself_can_read_what_is_kept(console: Console) -> None:
    """Folders have mode 0700 and files 0600, with any umask."""
    before = os.umask(0)
    try:
        console.person()
    finally:
        os.umask(before)
    folder = console.context.settings.folder
    made = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in files_below(folder)} == {0o600}


def test_names_of_files_open_no_session(console: Console) -> None:
    """The names of files do not contain the id in the cookie."""
    browser = console.person()
    names = " ".join(path.name for path in files_below(console.context.settings.folder))
    assert browser.cookie() not in names


def test_the_session_itself_has_no_token(console: Console) -> None:
    """The session's file has no tokens: a separate record has them, so concurrent saves lose no
    token.
    """
    console.person()
    folder = console.context.settings.folder
    kept = b"".join(path.read_bytes() for path in files_below(folder / "sessions"))
    assert kept
    assert b"access-" not in kept
    assert b"refresh-" not in kept


def test_a_pickle_is_never_loaded(console: Console, tmp_path: Path) -> None:
    """A planted pickle is not loaded as a session, and its code does not run."""
    browser = console.person()
    planted = tmp_path / "planted"

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(planted),)

    for path in files_below(console.context.settings.folder / "sessions"):
        path.write_bytes(struct.pack("I", 2**32 - 1) + pickle.dumps(Harmful()))
    assert browser.get("/console/").status_code == 303
    assert not planted.exists()


def test_a_record_of_another_release_ends_the_session(console: Console) -> None:
    """A record that cannot be read ends the session."""
    browser = console.person()
    for path in (console.context.settings.folder / "tokens").iterdir():
        if path.is_file():
            path.write_bytes(b"\x80")
    assert browser.get("/console/").status_code == 303


def test_sessions_and_forms_outlive_a_restart(console: Console, gateway: FakeGateway) -> None:
    """Another process with the same data knows the session and its forms."""
    browser = console.person()
    token, cookie = browser.token(), browser.cookie()
    next_one = console_on(console.context.settings, gateway)
    other = next_one.visitor()
    other.client.set_cookie("wharf_console", cookie)
    assert other.get("/console/").status_code == 200
    assert other.client.post("/console/logout", data={"csrf_token": token}).status_code == 303


def test_a_visitor_is_kept_for_an_hour_and_a_person_for_a_month(console: Console) -> None:
    """A visitor's session is kept for an hour, and a person's for a month."""
    console.visitor().get("/console/login")
    folder = console.context.settings.folder / "sessions"
    [visitor] = files_below(folder)
    assert 0 < expiry(visitor) - time.time() <= 3600
    visitor.unlink()
    console.person()
    [person] = files_below(folder)
    assert expiry(person) - time.time() > 29 * 24 * 3600


def expiry(path: Path) -> int:
    """Return the time at which a session's file expires, in Unix seconds."""
    found: int = struct.unpack("I", path.read_bytes()[:4])[0]
    return found


def test_what_has_ended_is_swept(tmp_path: Path) -> None:
    """Expired sessions and records are removed, and other sessions and records stay."""
    files = SessionFiles(tmp_path / "sessions")
    files.set("old", {"a": 1}, timeout=1)
    files.set("new", {"a": 1}, timeout=1000)
    [old] = [path for path in files_below(tmp_path) if expiry(path) < time.time() + 100]
    old.write_bytes(struct.pack("I", 1) + b"\x80")
    files.sweep()
    assert len(files_below(tmp_path)) == 1
    kept = FileRecords(tmp_path / "tokens")
    for name in ("old", "new"):
        kept.write(name, record())
    path = kept._path("old")
    os.utime(path, (1, 1))
    kept.sweep(1000)
    assert kept.read("old") is None
    assert kept.read("new") == record()


def test_visitors_do_not_fill_the_disk(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired sessions of visitors are removed, even when no person logs in."""
    for _ in range(20):
        console.visitor().get("/console/login")
    kept = console.context.settings.folder / "sessions"
    old = [path for path in files_below(kept) if path.stat().st_size > 4]
    assert len(old) >= 20
    for path in old:
        path.write_bytes(struct.pack("I", 1) + path.read_bytes()[4:])
    monkeypatch.setattr(stores, "_SWEEP_SECONDS", 0.0)
    console.visitor().get("/console/login")
    assert not any(path.exists() for path in old)


def record() -> records.TokenRecord:
    """Return a record of a person's tokens."""
    person = records.Person(
        user_id="user-1",
        tenant="acme",
        username="ann",
        display_name="Ann",
        role="owner",
        scopes=frozenset(("files:read",)),
    )
    return records.TokenRecord(
        person=person, access_token="a", refresh_token="r", good_until=1_795_000_900.0
    )


def test_the_cookie_over_https(tmp_path: Path, gateway: FakeGateway) -> None:
    """Over HTTPS the cookie has the prefix `__Host-`, which binds it to HTTPS and this host."""
    settings = Settings(
        data=tmp_path / "data", console_door=gateway.path, issuer="https://files.example/auth"
    )
    browser = console_on(settings, gateway).visitor("https://files.example")
    reply = browser.get("/console/login")
    [cookie] = [value for name, value in reply.headers if name == "Set-Cookie"]
    parts = cookie.split("; ")
    assert parts[0].startswith("__Host-wharf_console=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(parts)
    assert not any(part.startswith(("Domain", "Expires", "Max-Age")) for part in parts)


def test_the_cookie_of_a_person_outlives_the_browser(console: Console) -> None:
    """A person's cookie has an expiry. On loopback without TLS the cookie is not `Secure`."""
    grant(console.gateway)
    browser = console.visitor()
    reply = browser.post("/console/login", LOGIN)
    [cookie] = [value for name, value in reply.headers if name == "Set-Cookie"]
    parts = cookie.split("; ")
    assert parts[0].startswith("wharf_console=")
    assert "Secure" not in parts
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(parts)
    assert any(part.startswith("Expires=") for part in parts)


@pytest.mark.parametrize("cookie", ["", "x", "../../secret", "a" * 3000, "%00"])
def test_a_cookie_of_nothing_is_a_visitors(console: Console, cookie: str) -> None:
    """A request with an unknown session id gets a new session id."""
    browser = console.visitor()
    browser.client.set_cookie("wharf_console", cookie)
    browser.get("/console/login")
    assert browser.cookie() != cookie


def test_a_session_in_use_goes_on(console: Console) -> None:
    """A session and its cookie last for a month after the last day on which they are used."""
    browser = console.person()
    browser.get("/console/")
    [path] = files_below(console.context.settings.folder / "sessions")
    content = path.read_bytes()[4:]
    day = int(time.time() // 86_400)
    # MessagePack's form of the number, because the two bytes alone may be letters of a token.
    today, yesterday = (b"\xcd" + struct.pack(">H", number) for number in (day, day - 1))
    assert content.count(today) == 1
    # The file as it was written yesterday, a minute before its expiry.
    content = content.replace(today, yesterday)
    path.write_bytes(struct.pack("I", int(time.time()) + 60) + content)
    reply = browser.get("/console/")
    assert reply.status_code == 200
    assert "Set-Cookie" in reply.headers
    assert expiry(path) - time.time() > 29 * 24 * 3600
    assert "Set-Cookie" not in browser.get("/console/").headers
