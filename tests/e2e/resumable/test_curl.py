"""Uploads by curl with tus and the IETF protocol, as the docs and scripts do them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.cutting import cutting
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tus_client import metadata

SIZE, HALF = 2_000_000, 1_000_000


@dataclass
class Curl:
    """Runs curl with this client's token; `port` may belong to a proxy."""

    api: ApiClient
    folder: Path
    port: int

    def __call__(
        self, method: str, target: str, *headers: str, body: Path | None = None, code: int = 0
    ) -> tuple[int, dict[str, str], bytes]:
        """Run curl, and return the response: status, header fields (lower-case names) and body."""
        output, fields = self.folder / "answer", self.folder / "fields"
        output.unlink(missing_ok=True)
        words = ["curl", "-sS", "-o", str(output), "-D", str(fields), "-w", "%{http_code}"]
        words += ["-I"] if method == "HEAD" else ["-X", method]
        for header in (f"Authorization: Bearer {self.api.token}", *headers):
            words += ["-H", header]
        if body is not None:
            words += ["--data-binary", f"@{body}"]
        url = f"http://127.0.0.1:{self.port}{target}"
        done = subprocess.run([*words, url], capture_output=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        if code:
            return 0, {}, b""
        found = {}
        for line in fields.read_text().splitlines():
            name, colon, value = line.partition(": ")
            if colon:
                found[name.lower()] = value
        content = b"" if method == "HEAD" or not output.exists() else output.read_bytes()
        return int(done.stdout), found, content


@pytest.fixture
def curl(api: ApiClient, tmp_path: Path) -> Curl:
    """Return curl for this test's tenant."""
    return Curl(api, tmp_path, api.port)


def test_tus(curl: Curl) -> None:
    """After a broken connection curl can query the offset of a tus upload and send the rest."""
    content = os.urandom(SIZE)
    tus = "Tus-Resumable: 1.0.0"
    named = f"Upload-Metadata: {metadata(filename='curl.bin')}"
    status, fields, _ = curl("POST", "/v1/uploads", tus, f"Upload-Length: {SIZE}", named)
    assert status == 201
    address = fields["location"]
    patch = (tus, "Content-Type: application/offset+octet-stream")
    whole, rest = curl.folder / "whole", curl.folder / "rest"
    whole.write_bytes(content)
    with cutting(curl.api.port) as proxy:
        proxy.cuts = [HALF]
        broken = Curl(curl.api, curl.folder, proxy.port)
        # 52: the server sent no response; 55 and 56: sending and receiving failed.
        with pytest.raises(AssertionError, match=r"curl: \((52|55|56)\)"):
            broken("PATCH", address, *patch, "Upload-Offset: 0", "Expect:", body=whole)
    status, fields, _ = curl("HEAD", address, tus)
    assert status == 200
    assert fields["cache-control"] == "no-store"
    offset = int(fields["upload-offset"])
    assert HALF - 65_536 - 4096 <= offset <= HALF
    rest.write_bytes(content[offset:])
    status, fields, _ = curl("PATCH", address, *patch, f"Upload-Offset: {offset}", body=rest)
    assert (status, fields["upload-offset"]) == (204, str(SIZE))
    assert fields["tus-resumable"] == "1.0.0"
    assert curl.api.file("curl.bin").body == content


def test_ietf(curl: Curl) -> None:
    """curl can create an IETF upload, send one half, query the offset, and send the other half."""
    content = os.urandom(SIZE)
    first, second = curl.folder / "first", curl.folder / "second"
    first.write_bytes(content[:HALF])
    second.write_bytes(content[HALF:])
    status, fields, _ = curl(
        "PUT", "/v1/files/default/curl.bin", "Upload-Complete: ?0", "Content-Length: 0"
    )
    assert status == 201
    address = fields["location"]
    patch = "Content-Type: application/partial-upload"
    status, fields, _ = curl(
        "PATCH", address, patch, "Upload-Offset: 0", "Upload-Complete: ?0", body=first
    )
    assert (status, fields["upload-complete"]) == (204, "?0")
    status, fields, _ = curl("HEAD", address)
    assert (status, fields["upload-offset"]) == (204, str(HALF))
    status, fields, body = curl(
        "PATCH", address, patch, f"Upload-Offset: {HALF}", "Upload-Complete: ?1", body=second
    )
    assert (status, fields["upload-complete"]) == (201, "?1")
    assert fields["location"] == "/v1/files/default/curl.bin"
    assert json.loads(body)["size"] == SIZE
    assert curl.api.file("curl.bin").body == content


def test_ietf_ends_with_nothing(curl: Curl) -> None:
    """The last request of an IETF upload may have no bytes, with or without an announced length."""
    piece, nothing = curl.folder / "piece", curl.folder / "nothing"
    piece.write_bytes(b"12345")
    nothing.write_bytes(b"")
    patch = "Content-Type: application/partial-upload"
    for key, more in (("unknown", ()), ("known", ("Upload-Length: 5",))):
        target = f"/v1/files/default/{key}"
        _, fields, _ = curl("PUT", target, "Upload-Complete: ?0", "Content-Length: 0", *more)
        address = fields["location"]
        curl("PATCH", address, patch, "Upload-Offset: 0", "Upload-Complete: ?0", body=piece)
        for _ in range(2):  # the client repeats the request, as after a lost response
            status, fields, body = curl(
                "PATCH", address, patch, "Upload-Offset: 5", "Upload-Complete: ?1", body=nothing
            )
            assert (status, fields["upload-complete"]) == (201, "?1"), body
            assert json.loads(body)["size"] == 5
        assert curl.api.file(key).body == b"12345"


def test_checksum(curl: Curl) -> None:
    """A wrong checksum gets a 460 with a problem document."""
    tus = "Tus-Resumable: 1.0.0"
    _, fields, _ = curl("POST", "/v1/uploads", tus, "Upload-Length: 3", "Upload-Metadata: key YQ==")
    piece = curl.folder / "piece"
    piece.write_bytes(b"abc")
    wrong = base64.b64encode(bytes(20)).decode()
    status, fields, body = curl(
        *("PATCH", fields["location"], tus, "Upload-Offset: 0"),
        "Content-Type: application/offset+octet-stream",
        f"Upload-Checksum: sha1 {wrong}",
        body=piece,
    )
    assert status == 460
    assert fields["content-type"] == "application/problem+json"
    assert json.loads(body)["type"] == "/problems/checksum-mismatch"
