"""Uploads by tus-js-client, which runs in Node. requirements/browser locks it by a hash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers.cutting import cutting
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tenants import Signer

_SCRIPT = Path(__file__).with_name("tus_js.mjs")
LIBRARY = Path(__file__).parents[3] / ".venv/browser/node_modules/tus-js-client"
_SECONDS = 120
CHUNK = 1 << 20


def run(
    api: ApiClient, path: Path, *, port: int | None = None, code: int = 0, **told: Any
) -> dict[str, Any]:
    """Run the client, and return its report; `code` is the expected exit code."""
    given = {
        "endpoint": f"http://127.0.0.1:{port or api.port}/v1/uploads",
        "token": api.token,
        "path": str(path),
        "library": str(LIBRARY),
        **told,
    }
    done = subprocess.run(
        ["node", str(_SCRIPT), json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def options(name: str, **more: object) -> dict[str, object]:
    """Return options of tus-js-client for a file of this name."""
    return {"chunkSize": CHUNK, "metadata": {"filename": name}, **more}


def file(folder: Path, size: int) -> tuple[Path, bytes]:
    """Write a random file of this size, and return its path and content."""
    path, content = folder / "file", os.urandom(size)
    path.write_bytes(content)
    return path, content


@pytest.mark.parametrize("with_creation", [False, True])
def test_chunks(api: ApiClient, tmp_path: Path, *, with_creation: bool) -> None:
    """tus-js-client uploads a file in chunks, with or without bytes in the creation."""
    path, content = file(tmp_path, 4 * CHUNK + 5)
    given = options("日本 chunks.bin", uploadDataDuringCreation=with_creation)
    told = run(api, path, options=given)
    assert "error" not in told, told
    assert told["methods"] == {"POST": 1, "PATCH": 4 if with_creation else 5}
    assert api.listed() == ["日本 chunks.bin"]
    assert api.file("%E6%97%A5%E6%9C%AC%20chunks.bin").body == content


def test_a_length_that_comes_later(api: ApiClient, tmp_path: Path) -> None:
    """tus-js-client uploads a stream of unknown length with a deferred length."""
    path, content = file(tmp_path, 3 * CHUNK - 7)
    given = options("stream.bin", uploadLengthDeferred=True)
    told = run(api, path, options=given, source="pipe")
    assert "error" not in told, told
    assert api.file("stream.bin").body == content
    assert api.used() == (len(content), 1)


def test_parallel_uploads(api: ApiClient, tmp_path: Path) -> None:
    """tus-js-client uploads four parts in parallel, which are joined and counted once."""
    path, content = file(tmp_path, 6 * CHUNK + 3)
    told = run(api, path, options=options("parallel.bin", parallelUploads=4))
    assert "error" not in told, told
    assert told["methods"]["POST"] == 5
    assert api.file("parallel.bin").body == content
    assert api.used() == (len(content), 1)


def test_a_line_that_breaks(api: ApiClient, tmp_path: Path) -> None:
    """tus-js-client's own retries complete an upload over a connection that breaks five times."""
    path, content = file(tmp_path, 4 * CHUNK)
    with cutting(api.port) as proxy:
        proxy.cuts = [200_000, 700_000, 2_000, 1_000_000, 300_000]
        told = run(api, path, port=proxy.port, options=options("broken.bin"), source="memory")
        assert proxy.broken == 5
    assert "error" not in told, told
    assert told["retries"] >= 5
    assert api.file("broken.bin").body == content


def test_a_line_that_breaks_under_parts(api: ApiClient, tmp_path: Path) -> None:
    """Parallel uploads over a connection that breaks several times are stored whole."""
    path, content = file(tmp_path, 6 * CHUNK)
    with cutting(api.port) as proxy:
        proxy.cuts = [400_000, 900_000, 1_000_000, 50_000]
        given = options("parts.bin", parallelUploads=3)
        told = run(api, path, port=proxy.port, options=given, source="memory")
        assert proxy.broken == 4
    assert "error" not in told, told
    assert api.file("parts.bin").body == content
    assert api.used() == (len(content), 1)


@pytest.mark.parametrize("parallel", [1, 3])
def test_from_a_previous_upload(api: ApiClient, tmp_path: Path, parallel: int) -> None:
    """After a tus-js-client is killed, a second one continues the upload."""
    path, content = file(tmp_path, 9 * CHUNK)
    given = options("previous.bin", parallelUploads=parallel)
    urls = str(tmp_path / "urls.json")
    run(api, path, options=given, urls=urls, stopAfter=2 * CHUNK, code=-signal.SIGKILL)
    assert api.listed() == []
    told = run(api, path, options=given, urls=urls)
    assert "error" not in told, told
    assert told["resumed"] == 1
    # The second client does not repeat the chunks that
    # arrived before: Wharf already had two of nine chunks.
    assert told["methods"]["PATCH"] <= 9 + parallel - 2
    assert told["methods"].get("POST", 0) == (0 if parallel == 1 else 1)
    assert api.file("previous.bin").body == content
    assert api.used() == (len(content), 1)


def test_refusals_reach_the_client(api: ApiClient, signer: Signer, tmp_path: Path) -> None:
    """A refusal reaches the client with its problem document, and nothing is stored."""
    path, _ = file(tmp_path, 2 * CHUNK)
    ticket = {"bucket": "default", "prefix": "", "max_file_bytes": CHUNK}
    token = signer.token(tid=api.tenant, scope="files:write", ticket=ticket)
    told = run(api.using(token), path, options=options("big.bin", retryDelays=[]))
    assert told["status"] == 413
    assert json.loads(told["body"])["limit"] == "ticket's file limit"
    assert api.used() == (0, 0)
