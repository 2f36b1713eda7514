"""An upload service for tests, with separate data, tokens of the tests, and a stand-in for nginx.

`post_form`, and `put` with `spooled`, treat a body as nginx does: they ask for admission, spool the
body, pass the spool file on and remove it afterwards.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import Client, TestResponse

import wharf_upload
from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from servicekit.ids import uuid7_hex
from servicekit.testing import ISSUER, Issuer
from tests.servers.stores import local_store
from wharf_upload import signals
from wharf_upload.app import Application, create_app
from wharf_upload.bootstrap import open_backends
from wharf_upload.context import AppContext
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.files import File
from wharf_upload.maintenance.sweeper import Ages, Sweeper, Swept
from wharf_upload.notices.sender import open_sender
from wharf_upload.settings import Settings
from wharf_upload.storage.base import BlobName, BlobStore

MIGRATIONS = Path(wharf_upload.__file__).parent / "migrations"
TENANT = "demo"
# The names of the twin tenants (tests/servers/twins.py).
TWINS = ("a-twin", "z-twin")
BOUNDARY = "wharf-test-boundary"


def new_file(
    key: str, *, tenant: str = TENANT, bucket: str = "default", size: int = 1, **changes: object
) -> File:
    """Return a record of a file without bytes."""
    blob = uuid7_hex()
    values: dict[str, object] = {
        "id": blob,
        "tenant": tenant,
        "bucket": bucket,
        "key": key,
        "blob": blob,
        "size": size,
        "sha256": hashlib.sha256(blob.encode()).hexdigest(),
        "media_type": "text/plain",
        "declared_type": None,
        "filename": key.rpartition("/")[2],
        "owner": "client-1",
        "created_at": 1_795_000_000_000,
    }
    return File(**{**values, **changes})  # type: ignore[arg-type]


def form_body(files: Iterable[tuple[str, bytes]], fields: Mapping[str, str] | None = None) -> bytes:
    """Return a multipart body with files by name, and plain fields."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields or {}).items()
    ]
    for name, content in files:
        head = (
            f"--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def ages(seconds: float = 0) -> Ages:
    """Return the sweeper's ages: `seconds` for leases and deleted blobs, and longer
    ones for other rows.
    """
    return Ages(lease=seconds, deleted_grace=seconds, idempotency=3600, events=1e9)


@dataclass
class UploadService:
    """The application, its parts, and a client that stands in for the gateway."""

    app: Application
    settings: Settings
    store: BlobStore
    records: SqlRecords
    database: Database
    issuer: Issuer
    tenant: str = TENANT
    _spooled: int = field(default=0, repr=False)
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def context(self) -> AppContext:
        """Return the parts of the application."""
        return self.app.context

    def restarted(self, **changes: object) -> UploadService:
        """Return a second service on the same data with other settings."""
        return assemble(settings_for(self.settings.data, **changes), self.issuer)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Send one request, as uWSGI passes it on."""
        fields = Headers({"Authorization": f"Bearer {self._token()}"})
        fields.update(headers or {})
        return Client(self.app.wsgi).open(
            path,
            method=method,
            # This is not `data`, because werkzeug would add a boundary to a form without a body.
            input_stream=BytesIO(body),
            content_length=len(body),
            headers=fields,
            environ_overrides=dict(environ or {}),
        )

    def _token(self) -> str:
        # One token for many requests, as a client does.
        if self.tenant not in self._tokens:
            self._tokens[self.tenant] = self.issuer.token(tid=self.tenant)
        return self._tokens[self.tenant]

    def put(
        self,
        key: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        bucket: str = "default",
        spooled: bool = False,
    ) -> TestResponse:
        """Send a `PUT`. The body is in the request, or with `spooled` in a spool file."""
        path = f"/v1/files/{bucket}/{key}"
        if spooled:
            return self._spool("PUT", path, body, headers or {})
        return self.request("PUT", path, body, headers)

    def post_form(
        self,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        bucket: str = "default",
        announce: bool = True,
    ) -> TestResponse:
        """Send a `POST` of a form. Without `announce` the admission does not get the length
        of the body.
        """
        content_type = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        fields = {**content_type, **(headers or {})}
        return self._spool("POST", f"/v1/files/{bucket}", body, fields, announce=announce)

    def _spool(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        announce: bool = True,
    ) -> TestResponse:
        # As from uWSGI, the request has no body.
        length = str(len(body)) if announce else ""
        environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": length}
        reply = self.request(method, path, b"", headers, environ)
        if reply.status_code != 204:
            return reply
        self._spooled += 1
        spool_file = self.settings.spool_folder / f"{self._spooled:010}"
        spool_file.write_bytes(body)
        environ = {"SPOOL_FILE": str(spool_file), "ADMISSION": reply.headers["X-Admission"]}
        try:
            return self.request(method, path, b"", headers, environ)
        finally:
            spool_file.unlink(missing_ok=True)

    def content(self, key: str, *, bucket: str = "default") -> bytes | None:
        """Return the bytes that a reader gets, or `None` for a missing file."""
        reply = self.request("GET", f"/v1/files/{bucket}/{key}")
        if reply.status_code == 404:
            return None
        assert reply.status_code == 200, reply.text
        # The signed path for an object store, otherwise the path on the disk.
        place = reply.headers.get("X-Wharf-Blob") or reply.headers["X-Accel-Redirect"]
        blob = place.partition("?")[0].rpartition("/")[2]
        with self.store.open(BlobName(self.tenant, blob)) as stream:
            return stream.read()

    def sweep(self, seconds: float = 0, *, dry_run: bool = False) -> Swept:
        """Run the sweeper once. It removes leftovers and deleted blobs of at least this age."""
        root = self.settings.spool_folder.parent
        return Sweeper(self.store, self.records, root, ages(seconds), dry_run=dry_run).run()

    def blobs(self) -> set[str]:
        """Return the names of all blobs in the store."""
        return {found.name.blob for found in self.store.blobs()}


def settings_for(data: Path, **changes: object) -> Settings:
    """Return settings on a folder of the test."""
    settings = Settings(data=data, issuer=ISSUER, limits_url="memory://", disk_reserve_bytes=0)
    for name, value in changes.items():
        object.__setattr__(settings, name, value)
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    (data / "run").mkdir(exist_ok=True)
    return settings


def assemble(settings: Settings, issuer: Issuer, store: BlobStore | None = None) -> UploadService:
    """Return the service for these settings, with all its parts accessible."""
    store = store or local_store(settings.data, durable=settings.durable)
    database = open_database(settings.effective_database_url, durable=settings.durable)
    records = SqlRecords(
        database,
        lambda blobs: store.make_durable([BlobName(*blob) for blob in blobs]),
        signals.tell,
        settings.quota,
        open_sender(settings.notices_place).changed,
    )
    app = create_app(settings, backends=open_backends(settings, store, records), keys=issuer)
    return UploadService(app, settings, store, records, database, issuer)


def faults_in_counts(database: Database) -> list[str]:
    """Return the tenants whose usage differs from the sum of their rows."""
    connection = database.reading()
    rows = {
        row[0]: (int(row[1]), int(row[2]))
        for row in connection.rows("SELECT tenant, sum(size), count(*) FROM files GROUP BY tenant")
    }
    for tenant, size, count in connection.rows(
        "SELECT tenant, sum(reserved_bytes), count(*) FROM uploads WHERE file IS NULL "
        "GROUP BY tenant"
    ):
        used = rows.get(tenant, (0, 0))
        rows[tenant] = (used[0] + int(size), used[1] + int(count))
    usage = {row[0]: (row[1], row[2]) for row in connection.rows("SELECT * FROM usage")}
    tenants = sorted({*rows, *usage})
    return [
        f"{tenant}: rows {rows.get(tenant, (0, 0))}, usage {usage.get(tenant, (0, 0))}"
        for tenant in tenants
        if tenant not in TWINS and rows.get(tenant, (0, 0)) != usage.get(tenant, (0, 0))
    ]


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Return the issuer that signs the tokens of all tests."""
    return Issuer()


@pytest.fixture(scope="session")
def upload_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated database, which all tests copy."""
    path = tmp_path_factory.mktemp("upload-template") / "upload.db"
    upgrade(f"sqlite:///{path}", MIGRATIONS)
    # The database is in WAL mode, as after a service. A copy of this file is a complete database.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return path


@pytest.fixture
def upload_data(upload_template: Path, tmp_path: Path) -> Path:
    """Return a data folder with a migrated SQLite database."""
    data = tmp_path / "data"
    copy_database(upload_template, data)
    return data


def copy_database(template: Path, data: Path) -> None:
    """Copy the template to the path of the service's database."""
    (data / "upload").mkdir(parents=True)
    shutil.copy(template, data / "upload" / "upload.db")


@pytest.fixture
def upload(upload_data: Path, issuer: Issuer) -> Iterator[UploadService]:
    """Yield a separate service for each test, on SQLite and a local disk, without fsync."""
    service = assemble(settings_for(upload_data, durability="relaxed"), issuer)
    with closing(service.database):
        yield service
