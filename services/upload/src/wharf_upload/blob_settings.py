"""Settings for the place of the files' bytes, and checks of their combinations."""

from __future__ import annotations

import re
from dataclasses import dataclass

from servicekit.settings import SettingsError, setting
from wharf_upload.domain.bucket_place import BucketPlace, parse_bucket_place

DISK = "disk"
_POSTGRES = ("postgresql:", "postgres:")
_ADDRESS = re.compile(
    r"(?:(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5})?"
)


@dataclass(frozen=True, kw_only=True)
class BlobSettings:
    """The settings for blobs."""

    blob_url: str = setting(
        "",
        doc="The place of the bytes of new files: "
        "`s3://bucket/prefix?endpoint=https://host:port&region=…&style=path|virtual` "
        "(docs/object-stores.md). Empty: the disk, in `WHARF_DATA`. The gateway has a "
        "setting of the same name.",
    )
    blob_old_url: str = setting(
        "",
        doc=(
            "The place of bytes that were stored before `WHARF_BLOB_URL` changed: `disk`, or "
            "the earlier `s3://…`. The service also reads from this place until `wharf-upload "
            "move-blobs` has moved the bytes (docs/moving-blobs.md). Empty: no such place. The"
            " gateway has a setting of the same name."
        ),
    )
    blob_key_file: str = setting(
        "",
        doc="A file with two lines, the access key and the secret key of the object store. Only "
        "its owner may be able to read it, or it is a mounted secret. The service reads it "
        "again when it changes.",
    )
    blob_ca: str = setting(
        "",
        doc="A file with the certificates (PEM) that verify the object store. Empty: the "
        "certificates of the system. The gateway has a setting of the same name.",
    )
    data_shared: bool = setting(
        True,
        doc=(
            "Whether all replicas share one `WHARF_DATA`. `false`: each replica has its own "
            "`WHARF_DATA`, with blobs on an object store and records in PostgreSQL "
            "(docs/scaling.md)."
        ),
    )
    replica_address: str = setting(
        "",
        doc="`host:port` at which other gateways reach this replica's `WHARF_REPLICA_DOOR`: an "
        "IP address, or a full name that stays the same over restarts. It is required if "
        "`WHARF_DATA_SHARED` is `false`, except for a separate worker.",
    )

    @property
    def uses_object_store(self) -> bool:
        """Tell whether new or old blobs are on an object store."""
        return self.bucket_place is not None

    @property
    def bucket_place(self) -> BucketPlace | None:
        """Return the place on an object store for new or old blobs; `None` without such a store."""
        urls = (url for url in (self.blob_url, self.blob_old_url) if url not in ("", DISK))
        return next((parse_bucket_place(url) for url in urls), None)

    def check_blobs(self) -> None:
        """Raise `SettingsError` if the settings for blobs contradict each other."""
        for name, url in (
            ("WHARF_BLOB_URL", self.blob_url),
            ("WHARF_BLOB_OLD_URL", "" if self.blob_old_url == DISK else self.blob_old_url),
        ):
            try:
                if url:
                    parse_bucket_place(url)
            except ValueError as error:
                raise SettingsError(f"{name}={error}") from None
        if self.blob_old_url and (self.blob_old_url == DISK) != bool(self.blob_url):
            raise SettingsError(
                "WHARF_BLOB_OLD_URL: files move between the disk and one object store: use `disk` "
                "together with a WHARF_BLOB_URL, or `s3://…` together with an empty WHARF_BLOB_URL"
            )
        if self.uses_object_store and not self.blob_key_file:
            raise SettingsError("WHARF_BLOB_KEY_FILE: an object store needs a file with its keys")
        if not self.data_shared and (not self.blob_url or self.blob_old_url == DISK):
            raise SettingsError(
                "WHARF_DATA_SHARED=false: all bytes must be on an object store (WHARF_BLOB_URL), "
                "none on the disk"
            )

    def check_apart(self, database_url: str) -> None:
        """Raise `SettingsError` if the database or `replica_address` does not fit `data_shared`."""
        if not self.data_shared and not database_url.startswith(_POSTGRES):
            raise SettingsError(
                "WHARF_DATA_SHARED=false: records must be in PostgreSQL (WHARF_DATABASE_URL)"
            )
        if not _ADDRESS.fullmatch(self.replica_address):
            raise SettingsError(
                f"WHARF_REPLICA_ADDRESS={self.replica_address!r}: allowed is host:port, in lower "
                "case, such as wharf-0.wharf-replicas.default.svc.cluster.local:8089"
            )
        if self.data_shared and self.replica_address:
            raise SettingsError(
                "WHARF_REPLICA_ADDRESS: only replicas without a shared folder have one "
                "(WHARF_DATA_SHARED=false)"
            )

    def check_serves(self) -> None:
        """Raise `SettingsError` if a setting is missing that a replica needs to serve requests."""
        if not self.data_shared and not self.replica_address:
            raise SettingsError(
                "WHARF_DATA_SHARED=false: WHARF_REPLICA_ADDRESS is missing; the gateways of other "
                "replicas reach this replica at it"
            )
