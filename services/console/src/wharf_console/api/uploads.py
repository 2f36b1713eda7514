"""Uploads under way, which are not files yet."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.session import Session, address, with_query


class UploadLinks(msgspec.Struct, frozen=True, kw_only=True):
    """The address at which the upload can be ended; `None` if no request can end it."""

    upload: str | None


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that has received `offset` of `length` bytes.

    `length` is `None` until the client announces it. `offset` is `None` if another replica has the
    bytes. `subject` is the person or client that uploads; with `by_ticket`, the ticket's maker.
    """

    id: str
    bucket: str
    key: str | None
    offset: int | None
    length: int | None
    subject: str
    by_ticket: bool
    created_at: datetime
    expires_at: datetime
    links: UploadLinks

    @property
    def place(self) -> str:
        """Return the address of the future file; for a part of another upload, only its bucket."""
        return f"{self.bucket}/{self.key or ''}"

    def average(self, now: float) -> float:
        """Return the average bytes per second since the upload began."""
        return (self.offset or 0) / max(1.0, now - self.created_at.timestamp())


class Uploads(msgspec.Struct, frozen=True, kw_only=True):
    """A page of uploads, oldest first; `next_cursor` requests the next page, `None` is the end."""

    uploads: tuple[Upload, ...]
    next_cursor: str | None = None


def listed(session: Session, *, subject: str = "", cursor: str = "", limit: int = 100) -> Uploads:
    """Return a page of the person's uploads; for owners, of all uploads or of one `subject`."""
    return session.get("/v1/uploads", Uploads, subject=subject, cursor=cursor, limit=limit)


def cancel(session: Session, upload: str, *, subject: str) -> None:
    """End an upload of the subject; the service discards the received bytes."""
    target = with_query(address("v1", "uploads", upload), subject=subject)
    session.send("DELETE", target, fields={"Tus-Resumable": "1.0.0"})
