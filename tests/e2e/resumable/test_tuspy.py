"""Uploads with tuspy, the Python client of the tus project."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.storage.filestorage import FileStorage
from tusclient.uploader.uploader import Uploader

from tests.servers.cutting import cutting
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tenants import Signer

CHUNK = 1 << 20
# tuspy leaves its files open until the garbage collector closes them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect tuspy's garbage within the test that made it."""
    yield
    gc.collect()


def client(api: ApiClient, port: int | None = None) -> TusClient:
    """Return a tuspy client with the credential in its header."""
    url = f"http://127.0.0.1:{port or api.port}/v1/uploads"
    return TusClient(url, headers={"Authorization": f"Bearer {api.token}"})


def file(folder: Path, size: int, name: str = "file.bin") -> tuple[Path, bytes]:
    """Write a random file of this size, and return its path and content."""
    content = os.urandom(size)
    path = folder / name
    path.write_bytes(content)
    return path, content


def test_chunks_with_checksums(api: ApiClient, tmp_path: Path) -> None:
    """tuspy uploads a file in chunks with checksums."""
    path, content = file(tmp_path, 5 * CHUNK + 17)
    uploader = client(api).uploader(
        str(path),
        chunk_size=CHUNK,
        upload_checksum=True,
        metadata={"filename": "sums.bin", "filetype": "application/octet-stream"},
    )
    uploader.upload()
    assert uploader.offset == len(content)
    assert api.file("sums.bin").body == content


def test_a_file_without_bytes(api: ApiClient, tmp_path: Path) -> None:
    """tuspy uploads an empty file."""
    path, _ = file(tmp_path, 0)
    client(api).uploader(str(path), metadata={"filename": "empty"}).upload()
    assert api.file("empty").body == b""


@pytest.mark.parametrize("checksums", [False, True])
def test_resumed_by_another_process(api: ApiClient, tmp_path: Path, *, checksums: bool) -> None:
    """A second tuspy client with the stored address continues a broken upload at its offset."""
    path, content = file(tmp_path, 6 * CHUNK)
    storage = str(tmp_path / "urls")

    def uploader(port: int) -> Uploader:
        return client(api, port).uploader(
            str(path),
            chunk_size=2 * CHUNK,
            upload_checksum=checksums,
            store_url=True,
            url_storage=FileStorage(storage),  # type: ignore[no-untyped-call]
            metadata={"filename": "resumed.bin"},
        )

    with cutting(api.port) as proxy:
        proxy.cuts = [3 * CHUNK + CHUNK // 2]
        first = uploader(proxy.port)
        with pytest.raises((TusUploadFailed, TusCommunicationError)):
            first.upload()
        assert proxy.broken == 1
        second = uploader(proxy.port)
        # Wharf stores all or none of the bytes of a request with a checksum. Any other request
        # loses at most one buffer.
        least = 2 * CHUNK if checksums else 3 * CHUNK
        assert least <= second.offset < 4 * CHUNK
        assert second.url == first.url
        second.upload()
    assert api.file("resumed.bin").body == content
    assert api.used() == (len(content), 1)


def test_retries_of_its_own(api: ApiClient, tmp_path: Path) -> None:
    """tuspy's own retries complete an upload over a connection that breaks four times."""
    path, content = file(tmp_path, 4 * CHUNK)
    with cutting(api.port) as proxy:
        proxy.cuts = [300_000, 900_000, 5_000, 1_000_000]
        client(api, proxy.port).uploader(
            str(path),
            chunk_size=CHUNK,
            retries=20,
            retry_delay=0,
            metadata={"filename": "retried.bin"},
        ).upload()
        assert proxy.broken == 4
    assert api.file("retried.bin").body == content


def test_many_files_side_by_side(api: ApiClient, tmp_path: Path) -> None:
    """tuspy uploads twelve files in six threads, each whole and under its own name."""
    files = [file(tmp_path, 200_000 * number, f"{number:02}.bin") for number in range(1, 13)]

    def send(path: Path) -> None:
        client(api).uploader(
            str(path), chunk_size=500_000, upload_checksum=True, metadata={"filename": path.name}
        ).upload()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(send, [path for path, _ in files]))
    assert api.listed() == [path.name for path, _ in files]
    for path, content in files:
        assert api.file(path.name).body == content


def test_a_ticket_is_enough(api: ApiClient, signer: Signer, tmp_path: Path) -> None:
    """tuspy with only an upload ticket uploads as many files as the ticket allows."""
    path, content = file(tmp_path, CHUNK)
    rules = {"bucket": "default", "prefix": "in/", "max_files": 1}
    token = signer.token(tid=api.tenant, scope="files:write", ticket=rules)
    for number in range(2):
        uploader = client(api.using(token)).uploader(
            str(path), chunk_size=CHUNK // 2, metadata={"filename": f"{number}.bin"}
        )
        if number == 0:
            uploader.upload()
            continue
        with pytest.raises(TusCommunicationError) as refused:
            uploader.upload()
        assert refused.value.status_code == 403
        assert b"ticket-used-up" in refused.value.response_content
    assert api.listed() == ["in/0.bin"]
    assert api.file("in/0.bin").body == content
