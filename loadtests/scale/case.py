"""The records on which the operations of `loadtests.scale.operations` run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from loadtests.scale.rows import CONTENT, CONTENT_SHA256, WHOLE_EVERY
from loadtests.scale.spread import ARCHIVE, Tenant
from servicekit.ids import uuid7_hex
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.files import File, Page

PAGE = 100

Place = tuple[Tenant, int]


@dataclass
class Case:
    """Records with the rows that `loadtests.scale.rows` generates for these tenants.

    With `hot_files`, operations use only this number of files, each of another tenant. Small and
    large tenants are equally likely.
    """

    records: SqlRecords
    everybody: list[Tenant]
    random: Random
    hot_files: int = 0
    hot: list[Place] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.everybody)
        ranks = [number * count // self.hot_files for number in range(self.hot_files)]
        self.hot = [(self.everybody[rank], self._whole(self.everybody[rank])) for rank in ranks]

    def _whole(self, tenant: Tenant) -> int:
        return self.random.randrange(0, tenant.files, WHOLE_EVERY)

    def _place(self) -> Place:
        if self.hot:
            return self.random.choice(self.hot)
        # Each tenant is equally likely. Most of them are small.
        tenant = self.random.choice(self.everybody)
        return tenant, self.random.randrange(tenant.files)

    def warm(self) -> None:
        """Read the rows of all hot files, and the rows next to them."""
        for tenant, number in self.hot:
            bucket, key = tenant.bucket(number), tenant.key(number)
            file = self.records.file(tenant.name, bucket, key)
            self.records.file(tenant.name, bucket, f"{key}~")
            self.records.usage(tenant.name)
            self.records.buckets(tenant.name)
            if file is not None:
                self.records.known_blobs([(tenant.name, file.blob)])

    def tenant(self) -> Tenant:
        """Return a random tenant. Most tenants are small."""
        return self._place()[0]

    def of_style(self, style: str) -> Tenant:
        """Return the largest tenant of a style; the archive has the largest tenant of all."""
        return next(tenant for tenant in self.everybody if tenant.style == style)

    def place(self) -> tuple[str, str, str]:
        """Return tenant, bucket and key of a file, which exists unless a run has deleted it."""
        tenant, number = self._place()
        return tenant.name, tenant.bucket(number), tenant.key(number)

    def new_file(self, *, expires_at: int | None = None) -> File:
        """Return a file that is not stored, with a new key among the existing ones."""
        tenant, bucket, key = self.place()
        blob = uuid7_hex()
        key = f"{key}~{blob[-8:]}"
        return File(
            id=blob,
            tenant=tenant,
            bucket=bucket,
            key=key,
            blob=blob,
            size=len(CONTENT),
            sha256=CONTENT_SHA256,
            media_type="text/plain",
            declared_type=None,
            filename=key.rpartition("/")[2],
            owner="client-1",
            created_at=time.time_ns() // 1_000_000,
            expires_at=expires_at,
        )

    def stored(self, *, expires_at: int | None = None) -> File:
        """Store a new file and return it."""
        return self.records.write(Write(files=(self.new_file(expires_at=expires_at),))).files[0]

    def page(
        self,
        style: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        within: Sequence[str] = ("",),
    ) -> Page:
        """List a page of the largest tenant of a style."""
        return self.records.list_files(
            *(self.of_style(style).name, "default"),
            prefix=prefix,
            delimiter=delimiter,
            after=after,
            limit=PAGE,
            within=within,
        )

    def archived(self, part: float) -> str:
        """Return a key of the archive's large folder, at `part` (0 to 1) of its length."""
        tenant = self.of_style(ARCHIVE)
        return tenant.key(int(tenant.files * part) // 10 * 10)
