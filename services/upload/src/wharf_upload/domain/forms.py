"""Receiving a form: one spool file that holds several files and plain fields.

The form is read once. Each file's bytes are hashed as they pass, and copied in the kernel into a
blob of their own; nothing becomes visible unless all of it does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec

from servicekit.ids import uuid7_hex
from wharf_upload import stages
from wharf_upload.domain import digests, form_choices, keys, multipart, tickets
from wharf_upload.domain.copying import Copier
from wharf_upload.domain.digests import Hashing
from wharf_upload.domain.form_choices import Choices
from wharf_upload.domain.receiving import describe, discard, is_active, keep, tail_of
from wharf_upload.domain.sniffing import HEAD_BYTES, sniff
from wharf_upload.domain.tickets import TicketRefused
from wharf_upload.domain.uploads import Intent, check_name, check_size, check_type, declared_type
from wharf_upload.problems import NO_FILE
from wharf_upload.records.base import File, Stored, TicketUsedUp
from wharf_upload.service import Service
from wharf_upload.stores.base import BlobName, Writer


@dataclass
class _Arriving:
    """A file of the form on its way into its blob."""

    name: str
    declared_type: str | None
    expected: Mapping[str, bytes]
    blob: str
    writer: Writer
    hashing: Hashing
    head: bytearray = field(default_factory=bytearray)
    size: int = 0


class FormReceiver:
    """Receives one form; `intent` says who sends it where, and its key is not looked at."""

    def __init__(self, service: Service, intent: Intent) -> None:
        self._service, self._intent = service, intent
        self._arrived: list[_Arriving] = []
        self._fields: dict[str, str] = {}
        self._empty_inputs = 0
        self._choices = Choices("", intent.on_conflict)

    def receive(self, spool_file: str, boundary: bytes) -> Stored:
        """Stores all files of the form, or none; raises problems and the domain's errors."""
        begun = time.perf_counter()
        with ExitStack() as undo:
            # The link outlives the spool file: the gateway removes that when the client goes away.
            form = self._service.store.adopt(BlobName(self._intent.tenant, uuid7_hex()), spool_file)
            undo.callback(form.abort)
            undo.callback(self._abort)
            self._read(form.descriptor(), form.size(), boundary)
            files = self._files()
            self._commit(files)
        on_conflict = self._choices.on_conflict
        intent = msgspec.structs.replace(self._intent, on_conflict=on_conflict)
        stages.ended(stages.RECEIVE, begun)
        return keep(self._service, intent, files)

    @property
    def redirect(self) -> str | None:
        """Where the form wants its browser sent after it was received: an allowed address."""
        return self._choices.redirect

    def _read(self, descriptor: int, size: int, boundary: bytes) -> None:
        copier = Copier(descriptor)
        limits = multipart.Limits(max_files=self._service.settings.max_form_files)
        current: _Arriving | None = None
        try:
            for event in multipart.parts(descriptor, size, boundary, limits):
                if isinstance(event, multipart.PartData) and current is not None:
                    self._take(current, event)
                    copier.copy(current.writer, event.offset, len(event.view))
                elif isinstance(event, multipart.PartBegin):
                    current = self._begin(event)
                elif isinstance(event, multipart.Field):
                    self._fields[event.name] = event.value.decode("utf-8", "replace")
                elif isinstance(event, multipart.EmptyFile):
                    self._empty_inputs += 1
        finally:
            # No copy may still run when the writers are closed.
            copier.drain()

    def _begin(self, event: multipart.PartBegin) -> _Arriving:
        if not event.filename:
            raise NO_FILE(
                f"The field {event.name!r} holds a file without a name; give it one.",
                field=event.name,
            )
        name = self._name(event.filename)
        check_name(name, self._intent.policy)
        expected = digests.expected(event.content_digest) if event.content_digest else {}
        blob = uuid7_hex()
        arriving = _Arriving(
            name=name,
            declared_type=declared_type(event.content_type),
            expected=expected,
            blob=blob,
            writer=self._service.store.create(BlobName(self._intent.tenant, blob)),
            hashing=Hashing(sha512="sha-512" in expected),
        )
        self._arrived.append(arriving)
        return arriving

    def _name(self, filename: str) -> str:
        """The name under which the next file is stored; raises when its ticket takes no more."""
        ticket = self._intent.ticket
        if ticket is None:
            return keys.file_name(filename)
        if len(self._arrived) >= tickets.most_files(ticket, len(self._arrived) + 1):
            if ticket.key is not None:
                raise TicketRefused("key", "The ticket is for one file; the form holds more.")
            raise TicketUsedUp(ticket.max_files or 0)
        if ticket.key is not None:
            # What the file is called where it comes from does not matter: the ticket names it.
            return ticket.key.rpartition("/")[2]
        return keys.file_name(filename)

    def _take(self, arriving: _Arriving, event: multipart.PartData) -> None:
        arriving.hashing.update(event.view)
        if len(arriving.head) < HEAD_BYTES:
            arriving.head += event.view[: HEAD_BYTES - len(arriving.head)]
        arriving.size += len(event.view)
        check_size(arriving.size, self._intent.largest)

    def _files(self) -> tuple[File, ...]:
        if not self._arrived:
            if self._empty_inputs:
                raise NO_FILE("No file was chosen: the form's file inputs are empty.")
            raise NO_FILE("The form holds fields, but no file.")
        choices = self._choices = form_choices.read(self._fields, self._intent)
        return tuple(self._file(arriving, choices) for arriving in self._arrived)

    def _file(self, arriving: _Arriving, choices: Choices) -> File:
        arriving.hashing.verify(arriving.expected)
        sniffed = sniff(bytes(arriving.head), complete=arriving.size <= HEAD_BYTES)
        wanted = self._intent
        check_type(sniffed, arriving.name, wanted.policy, wanted.ticket)
        key = choices.key_of(arriving.name)
        if wanted.ticket is not None:
            tickets.require(wanted.ticket, "POST", wanted.bucket, key)
        intent = msgspec.structs.replace(wanted, key=key, declared_type=arriving.declared_type)
        tail = tail_of(arriving.writer.descriptor(), arriving.size)
        return describe(
            intent,
            arriving.hashing.sha256,
            arriving.size,
            sniffed,
            arriving.blob,
            active=is_active(sniffed, bytes(arriving.head), tail),
        )

    def _commit(self, files: tuple[File, ...]) -> None:
        try:
            for arriving in self._arrived:
                arriving.writer.commit()
        except BaseException:
            discard(self._service, files)
            raise

    def _abort(self) -> None:
        for arriving in self._arrived:
            arriving.writer.abort()
