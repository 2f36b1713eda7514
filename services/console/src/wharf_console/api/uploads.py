"""Uploads that are under way: they have become no file yet."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.session import Session, address, with_query


class UploadLinks(msgspec.Struct, frozen=True, kw_only=True):
    """Where the upload is ended; `None` where it ends by itself alone."""

    upload: str | None


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload of which `offset` bytes of `length` are there (`None`: not known yet, or here).

    `subject` is the user or client that sends it; with `by_ticket`, the one who made its ticket.
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
        """Where the file will be; only the bucket where the upload is a part of another one."""
        return f"{self.bucket}/{self.key or ''}"

    def average(self, now: float) -> float:
        """Return bytes a second since it began."""
        return (self.offset or 0) / max(1.0, now - self.created_at.timestamp())


class Uploads(msgspec.Struct, frozen=True, kw_only=True):
    """A page of uploads, oldest first; `next_cursor` gets the next page, `None` at the end."""

    uploads: tuple[Upload, ...]
    next_cursor: str | None = None


def listed(session: Session, *, subject: str = "", cursor: str = "", limit: int = 100) -> Uploads:
    """Return a page: the person's own, and for owners those of all, or of one `subject`."""
    return session.get("/v1/uploads", Uploads, subject=subject, cursor=cursor, limit=limit)


def cancel(session: Session, upload: str, *, subject: str) -> None:
    """End an upload of the subject; what has come is thrown away."""
    target = with_query(address("v1", "uploads", upload), subject=subject)
    session.send("DELETE", target, fields={"Tus-Resumable": "1.0.0"})
