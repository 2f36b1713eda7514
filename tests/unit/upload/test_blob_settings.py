"""Tests of the settings for the place of blobs: which combinations are allowed."""

from __future__ import annotations

import pytest

from servicekit.settings import SettingsError, read
from wharf_upload.settings import Settings

DATA = {"WHARF_DATA": "/srv/wharf"}
KEYS = {"WHARF_BLOB_KEY_FILE": "/run/secrets/blob-keys"}
STORE = "s3://wharf/files?endpoint=https://s3.example.net"
OTHER = "s3://old/files?endpoint=https://s3.example.net"


def test_without_them_bytes_are_on_the_disk() -> None:
    """Without a setting for an object store, blobs are in a folder that all replicas share."""
    settings = read(Settings, DATA)
    assert not settings.uses_object_store
    assert settings.bucket_place is None
    assert settings.data_shared


@pytest.mark.parametrize(
    "environ",
    [
        {"WHARF_BLOB_URL": STORE},
        {"WHARF_BLOB_URL": STORE, "WHARF_BLOB_OLD_URL": "disk"},
        {"WHARF_BLOB_OLD_URL": STORE},
        {"WHARF_BLOB_URL": STORE, "WHARF_BLOB_CA": "/etc/wharf/ca.pem"},
    ],
)
def test_one_object_store(environ: dict[str, str]) -> None:
    """An object store in `WHARF_BLOB_URL` or in `WHARF_BLOB_OLD_URL` gives the bucket place."""
    settings = read(Settings, DATA | KEYS | environ)
    assert settings.uses_object_store
    assert settings.bucket_place is not None
    assert (settings.bucket_place.bucket, settings.bucket_place.prefix) == ("wharf", "files/")


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        # Neither a URL nor `disk`.
        ({"WHARF_BLOB_URL": "disk"}, "WHARF_BLOB_URL"),
        ({"WHARF_BLOB_URL": "s3://wharf"}, "WHARF_BLOB_URL"),
        ({"WHARF_BLOB_OLD_URL": "/srv/wharf"}, "WHARF_BLOB_OLD_URL"),
        ({"WHARF_BLOB_URL": STORE, "WHARF_BLOB_OLD_URL": "s3://old"}, "WHARF_BLOB_OLD_URL"),
        # Blobs can be moved only between the disk and one object store.
        ({"WHARF_BLOB_OLD_URL": "disk"}, "WHARF_BLOB_OLD_URL"),
        ({"WHARF_BLOB_URL": STORE, "WHARF_BLOB_OLD_URL": OTHER}, "WHARF_BLOB_OLD_URL"),
        ({"WHARF_BLOB_URL": STORE, "WHARF_BLOB_OLD_URL": STORE}, "WHARF_BLOB_OLD_URL"),
        # The keys are missing.
        ({"WHARF_BLOB_URL": STORE, "WHARF_BLOB_KEY_FILE": ""}, "WHARF_BLOB_KEY_FILE"),
        ({"WHARF_BLOB_OLD_URL": STORE, "WHARF_BLOB_KEY_FILE": ""}, "WHARF_BLOB_KEY_FILE"),
        # The folder is not shared, but another replica looks for blobs in its own folder.
        ({"WHARF_DATA_SHARED": "false"}, "WHARF_DATA_SHARED"),
        ({"WHARF_DATA_SHARED": "false", "WHARF_BLOB_OLD_URL": STORE}, "WHARF_DATA_SHARED"),
        (
            {
                "WHARF_DATA_SHARED": "false",
                "WHARF_BLOB_URL": STORE,
                "WHARF_BLOB_OLD_URL": "disk",
            },
            "WHARF_DATA_SHARED",
        ),
    ],
)
def test_what_is_refused(environ: dict[str, str], names: str) -> None:
    """Contradicting settings stop the startup, with one line that names the setting."""
    with pytest.raises(SettingsError, match=names) as refused:
        read(Settings, DATA | KEYS | environ)
    assert "\n" not in str(refused.value)
