"""Flask-Session's interface for files, with the console's cookies and without pickles."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import msgspec
from cachelib.file import FileSystemCache
from cachelib.serializers import FileSystemSerializer
from flask import Flask, Request, Response, request
from flask_session.base import ServerSideSession, ServerSideSessionInterface
from flask_session.cachelib import CacheLibSessionInterface

from wharf_console.sessions import cookies

PREFIX = "wharf:console:session:"
_ID_BYTES = 32
# The time that a visitor has to fill in the login form.
_VISITOR_LIFETIME = timedelta(hours=1)
_DAY_SECONDS = 24 * 3600
# The key under which Flask-Login stores who is logged in.
LOGGED_IN = "_user_id"


class ConsoleCookies(ServerSideSessionInterface):  # type: ignore[misc] # Flask-Session has no types
    """The methods in which the console's interfaces differ from those of Flask-Session.

    One interface stores sessions in files, the other in Redis.

    `is_https` tells whether the settings say that people use HTTPS.
    """

    is_https = False

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002 -- Flask's signature
        """Return the cookie's name for this request."""
        return cookies.LOOPBACK_NAME if self._is_plain() else cookies.NAME

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 -- Flask's signature
        """Return whether the browser may send the cookie over HTTPS only."""
        return not self._is_plain()

    def get_expiration_time(self, app: Flask, session: ServerSideSession) -> datetime | None:
        """Return when the cookie expires; `None` if no person is logged in.

        The browser deletes a cookie without this time when the browser ends.
        """
        if LOGGED_IN not in session:
            return None
        found: datetime | None = super().get_expiration_time(app, session)
        return found

    def open_session(self, app: Flask, request: Request) -> ServerSideSession:
        """Return the session that the cookie names, or an empty one with a new id."""
        given = request.cookies.get(self.get_cookie_name(app))
        if given:
            content = self._retrieve_session_data(self._get_store_id(given))
            if content is not None:
                return self._used(self.session_class(content, sid=given))
        return self.session_class(sid=self._generate_sid(_ID_BYTES), permanent=True)

    def _used(self, session: ServerSideSession) -> ServerSideSession:
        """Return the session; change a person's session once a day.

        A changed session is stored again at the end of the request, and then its lifetime begins
        again.
        """
        today = int(time.time() // _DAY_SECONDS)
        if LOGGED_IN in session and session.get("_day") != today:
            session["_day"] = today
        return session

    def save_session(
        self, app: Flask, session: ServerSideSession | None, response: Response
    ) -> None:
        """Store the session if it changed; delete a session that became empty, with its cookie."""
        if session is None:  # it could not be opened
            return
        if session or not session.modified:
            super().save_session(app, session, response)
            return
        self._delete_session(self._get_store_id(session.sid))
        response.delete_cookie(
            self.get_cookie_name(app),
            secure=self.get_cookie_secure(app),
            httponly=True,
            samesite="Lax",
        )

    def _upsert_session(
        self, session_lifetime: timedelta, session: ServerSideSession, store_id: str
    ) -> None:
        lifetime = session_lifetime if LOGGED_IN in session else _VISITOR_LIFETIME
        super()._upsert_session(lifetime, session, store_id)

    def _is_plain(self) -> bool:
        return cookies.is_plain(request, is_https=self.is_https)


class FileSessions(ConsoleCookies, CacheLibSessionInterface):  # type: ignore[misc] # as above
    """Sessions in files."""


class SessionFiles(FileSystemCache):
    """The files of sessions, with mode 0600 and msgpack as content; pickles could execute code."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True, mode=0o700)
        # No threshold: above it cachelib would delete sessions that are in use.
        super().__init__(str(folder), threshold=0, mode=0o600)

    def sweep(self) -> None:
        """Remove the files of sessions that have expired."""
        self._remove_expired(time.time())


class _MsgpackFiles(FileSystemSerializer):
    def dump(self, value: Any, f: IO[bytes], protocol: int = 0) -> None:  # noqa: ARG002 -- as above
        f.write(msgspec.msgpack.encode(value))

    def load(self, f: IO[bytes]) -> Any:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(f.read(), type=dict[str, Any])
        return None


SessionFiles.serializer = _MsgpackFiles()


def in_files(files: SessionFiles, *, is_https: bool) -> FileSessions:
    """Return the interface that stores sessions in files."""
    made = FileSessions(client=files, key_prefix=PREFIX, permanent=True)
    made.is_https = is_https
    return made
