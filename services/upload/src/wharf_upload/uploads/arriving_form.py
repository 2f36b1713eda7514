"""A form while the service reads it: files that are being copied into blobs, and plain fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from servicekit.ids import uuid7_hex
from servicekit.problems import UNPROCESSABLE
from servicekit.tokens import Principal
from wharf_upload.access import reach, tickets
from wharf_upload.access.tickets import TicketRefused
from wharf_upload.domain import digests, keys, redirects
from wharf_upload.domain.digests import Hashing
from wharf_upload.domain.files import File
from wharf_upload.domain.long_work import BRIEF_FILES, BRIEF_PARTS, TakesLong
from wharf_upload.domain.refusals import TicketUsedUp
from wharf_upload.domain.upload_intent import UploadIntent, check_name, check_size, declared_type
from wharf_upload.problems import NO_FILE
from wharf_upload.storage.base import BlobName, BlobStore, BlobWriter
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads import form_options, new_file
from wharf_upload.uploads.copying import Copier
from wharf_upload.uploads.form_options import FormOptions
from wharf_upload.uploads.multipart import parser
from wharf_upload.uploads.slices import fields as slice_fields
from wharf_upload.uploads.slices.values import ArrivedSlice

_NO_TYPE = "application/octet-stream"


@dataclass
class _Arriving:
    """A file of the form that is being copied into its blob."""

    name: str
    # The relative path of the file, as the client sent it.
    path: str
    declared_type: str | None
    expected: Mapping[str, bytes]
    blob: str
    # `None` for a slice: the bytes of a slice are copied from the form into its file.
    writer: BlobWriter | None
    hashing: Hashing
    # The offset in the form at which the bytes of the file begin.
    begin: int = 0
    size: int = 0


class ArrivingForm:
    """One form of a caller; none of its files is visible yet."""

    def __init__(
        self,
        store: BlobStore,
        intent: UploadIntent,
        max_files: int,
        spool: SpoolFile,
        on_redirect: Callable[[str], None],
    ) -> None:
        """Create the form; `on_redirect` gets the redirect address if that address is allowed."""
        self._store, self._intent, self._max_files = store, intent, max_files
        self._spool, self._on_redirect = spool, on_redirect
        self._arrived: list[_Arriving] = []
        self._fields: dict[str, str] = {}
        self._empty_inputs = 0
        self._parts = 0
        # The path of the next file, from a field in front of that file.
        self._next_path = ""
        # Whether the form has a field that may mark a slice, and the first value of each such
        # field.
        self._may_be_slice = False
        self._first_said: dict[str, str] = {}

    def read(self, boundary: bytes, *, briefly: bool = False) -> None:
        """Read the form once; hash and copy its files while reading.

        With `briefly` this method raises `TakesLong` if the form has many files or fields.
        """
        copier = Copier(self._spool)
        limits = parser.Limits(max_files=self._max_files)
        current: _Arriving | None = None
        try:
            for event in parser.parts(self._spool, self._spool.size, boundary, limits):
                if briefly:
                    self._require_brief(event)
                if isinstance(event, parser.PartData) and current is not None:
                    self._take(current, event)
                    if current.writer is not None:
                        copier.copy(current.writer, event.offset, len(event.view))
                elif isinstance(event, parser.PartBegin):
                    current = self._begin(event)
                elif isinstance(event, parser.Field):
                    self._take_field(event.name, event.value.decode("utf-8", "replace"))
                elif isinstance(event, parser.EmptyFile):
                    self._empty_inputs += 1
        finally:
            # All copies must have ended before the writers are closed.
            copier.drain()

    def _require_brief(self, event: parser.Event) -> None:
        """Raise `TakesLong` at the first file or part above the limit for brief work."""
        if isinstance(event, parser.PartBegin) and len(self._arrived) == BRIEF_FILES:
            raise TakesLong
        if isinstance(event, parser.PartBegin | parser.Field | parser.EmptyFile):
            self._parts += 1
            if self._parts > BRIEF_PARTS:
                raise TakesLong

    def _take_field(self, name: str, text: str) -> None:
        self._fields[name] = text
        if name in form_options.PATH_FIELDS:
            self._next_path = text
        if name in slice_fields.NAMES:
            self._may_be_slice = True
            self._first_said.setdefault(name, text)
        if name == "redirect":
            with suppress(redirects.BadRedirect):
                address = redirects.check(
                    text, self._intent.ticket, self._intent.policy.cors_origins
                )
                self._on_redirect(address)

    def _begin(self, event: parser.PartBegin) -> _Arriving:
        if not event.filename:
            raise NO_FILE(
                f"The field {event.name!r} contains a file without a name; give the file a name.",
                field=event.name,
            )
        name = self._name(event.filename)
        check_name(name, self._intent.policy)
        expected = digests.expected(event.content_digest) if event.content_digest else {}
        blob = uuid7_hex()
        goes_elsewhere = self._may_be_slice and slice_fields.announces_slice(self._fields)
        arriving = _Arriving(
            name=name,
            path=form_options.path_of(event.filename, self._next_path),
            declared_type=declared_type(event.content_type),
            expected=expected,
            blob=blob,
            writer=None
            if goes_elsewhere
            else self._store.create(BlobName(self._intent.tenant, blob)),
            hashing=Hashing(sha512="sha-512" in expected),
        )
        self._arrived.append(arriving)
        self._next_path = ""
        return arriving

    def _name(self, filename: str) -> str:
        """Return the name of the next file; raise if the ticket allows no more files."""
        ticket = self._intent.ticket
        if ticket is None:
            return keys.file_name(filename)
        if len(self._arrived) >= tickets.most_files(ticket, len(self._arrived) + 1):
            if ticket.key is not None:
                raise TicketRefused("key", "The ticket is for one file; the form contains more.")
            raise TicketUsedUp(ticket.max_files or 0)
        if ticket.key is not None:
            # The ticket chooses the name. The client's own name for the file has no effect.
            return ticket.key.rpartition("/")[2]
        return keys.file_name(filename)

    def _take(self, arriving: _Arriving, event: parser.PartData) -> None:
        if not arriving.size:
            arriving.begin = event.offset
        if arriving.writer is not None or arriving.expected:
            arriving.hashing.update(event.view)
        arriving.size += len(event.view)
        check_size(arriving.size, self._intent.largest)

    def slice(self, principal: Principal, query: str) -> ArrivedSlice | None:
        """Return the slice that the form carries, or `None` if it carries whole files or no file.

        Some uploaders describe the slice in the `query` of the address.

        Raises the problems `slices-not-joined`, `inconsistent-slice` and `unprocessable`.
        """
        asked = slice_fields.said_in(query) if query else {}
        if not self._may_be_slice and slice_fields.NAMES.isdisjoint(asked):
            return None
        said = {**asked, **self._fields}
        first = {**self._fields, **self._first_said, **asked}
        for arriving in self._arrived:
            slice_fields.require_consistent(first, said, arriving.size)
        found = [slice_fields.read(said, arriving.size) for arriving in self._arrived]
        if len(found) > 1 and any(found):
            raise UNPROCESSABLE(
                "A form with a slice of a file must not contain another file.", field="file"
            )
        if not found or found[0] is None:
            return None
        (arriving,) = self._arrived
        arriving.hashing.verify(arriving.expected)
        options = self._options()
        return ArrivedSlice(
            slice=found[0],
            principal=principal,
            bucket=self._intent.bucket,
            key=self._key(principal, arriving, options),
            options=options,
            # A browser sends this type for every slice, so it says nothing about the file.
            declared_type=None if arriving.declared_type == _NO_TYPE else arriving.declared_type,
            condition=self._intent.condition,
            idempotency=self._intent.idempotency,
            spool=self._spool,
            begin=arriving.begin,
        )

    def files(self, principal: Principal) -> tuple[tuple[File, ...], FormOptions]:
        """Return the records of the files, and the options from the fields of the form.

        Raises `OutsideGrants` if the caller may not write one of the files, and the problem
        `no-file`.
        """
        if not self._arrived:
            if self._empty_inputs:
                raise NO_FILE("No file was chosen: the form's file inputs are empty.")
            raise NO_FILE("The form contains fields, but no file.")
        if any(arriving.writer is None for arriving in self._arrived):
            # The form announced a slice, so the bytes of this part were not copied into a blob.
            raise slice_fields.contradiction("dztotalchunkcount")
        options = self._options()
        keys_of_files = [self._key(principal, arriving, options) for arriving in self._arrived]
        files = zip(self._arrived, keys_of_files, strict=True)
        return tuple(self._file(arriving, key) for arriving, key in files), options

    def _options(self) -> FormOptions:
        intent = self._intent
        origins = intent.policy.cors_origins
        return form_options.read(self._fields, intent.ticket, intent.condition, origins)

    def _file(self, arriving: _Arriving, key: str) -> File:
        arriving.hashing.verify(arriving.expected)
        intent = msgspec.structs.replace(
            self._intent, key=key, declared_type=arriving.declared_type
        )
        size = arriving.size
        look = new_file.look_at(intent, self._spool, arriving.begin, size)
        return new_file.describe(intent, arriving.hashing.sha256, size, look, arriving.blob)

    def _key(self, principal: Principal, arriving: _Arriving, options: FormOptions) -> str:
        """Return the key of a file, after checking it against the caller's ticket and grants."""
        name = keys.relative_path(arriving.path) if options.keeps_paths else arriving.name
        key, ticket = options.key_of(name), self._intent.ticket
        if ticket is not None:
            tickets.require(ticket, "POST", self._intent.bucket, key)
        reach.require_upload(principal, self._intent.bucket, key)
        return key

    def commit(self) -> None:
        """Make the blobs of all files durable and visible in the store; raises `StoreError`."""
        for arriving in self._arrived:
            if arriving.writer is not None:
                arriving.writer.commit(arriving.hashing.sha256)

    def abort(self) -> None:
        """Discard the content that is not committed."""
        for arriving in self._arrived:
            if arriving.writer is not None:
                arriving.writer.abort()
