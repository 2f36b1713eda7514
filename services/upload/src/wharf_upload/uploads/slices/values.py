"""The values that the steps exchange when they make a file of slices."""

from __future__ import annotations

from typing import NamedTuple

from servicekit.tokens import Principal
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency
from wharf_upload.domain.files import File
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.form_options import FormOptions
from wharf_upload.uploads.slices.fields import Slice


class ArrivedSlice(NamedTuple):
    """A slice in a spooled form; its bytes start at offset `begin` of the spool file.

    `key`, `options`, `declared_type`, `condition` and `idempotency` are those of the whole file.
    """

    slice: Slice
    principal: Principal
    bucket: str
    key: str
    options: FormOptions
    declared_type: str | None
    condition: WriteCondition | None
    idempotency: Idempotency | None
    spool: SpoolFile
    begin: int


class Joined(NamedTuple):
    """The progress of a file: slice `next_index` is missing; `file` is set if no slice is missing.

    `repeated`: another request has stored that file.
    """

    upload: Upload
    next_index: int
    file: File | None = None
    repeated: bool = False


class SliceOutcome(NamedTuple):
    """The result for a slice; `file` is set if no slice is missing.

    `repeated`: another request has stored that file. The other slices may arrive until `expires_at`
    (unix milliseconds).
    """

    file: File | None
    expires_at: int
    repeated: bool = False
