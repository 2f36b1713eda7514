"""The benchmark: its requests, its servers, and the nginx whose speed is the upper bound."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from loadtests.bench import targets, ways
from loadtests.bench.peers import FLASK, PEERS, TUS
from loadtests.bench.rounds import in_turn
from loadtests.bench.servers import NGINX, ROOT
from loadtests.bench.workloads import WORKLOADS
from wharf_upload.uploads.multipart import parser

CONTENT = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "small.jpg"
    path.write_bytes(CONTENT)
    return path


def test_the_form_that_wrk_sends(tmp_path: Path, source: Path) -> None:
    """The body that wrk sends is a form: one part before the name of the file, and one after it.
    The part after the name contains the bytes of the file.
    """
    found = ways.uploading(targets.server(FLASK, tmp_path), source)
    assert found.body is not None
    assert found.after is not None
    body = found.body.read_bytes() + b"17.jpg" + found.after.read_bytes()
    boundary = parser.boundary_of(found.headers["Content-Type"])
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head.startswith(b"--" + boundary + b"\r\n")
    assert b'filename="file-1-17.jpg"' in head
    assert rest == CONTENT + b"\r\n--" + boundary + b"--\r\n"
    assert (found.method, found.named) == ("POST", "body")


def test_tus_is_created_with_its_bytes(tmp_path: Path, source: Path) -> None:
    """A small tus upload is one request that announces its length."""
    found = ways.uploading(targets.server(TUS, tmp_path), source)
    assert (found.method, found.named, found.body) == ("POST", "", source)
    assert found.headers["Upload-Length"] == str(len(CONTENT))


def test_every_server_is_measured_by_something() -> None:
    """nginx and Wharf run all workloads; each peer runs the small uploads and downloads."""
    for target in targets.OWN:
        assert all(workload.takes(target) for workload in WORKLOADS.values())
    for target in PEERS:
        done = {name for name, workload in WORKLOADS.items() if workload.takes(target)}
        assert {"put10k", "get10k"} < done
        assert "link10k" not in done


def test_each_server_comes_first_in_turn() -> None:
    """In as many rounds as there are servers, each server is once at each position."""
    orders = [in_turn(("a", "b", "c"), turn) for turn in (1, 2, 3)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert in_turn(("a", "b", "c"), 4) == orders[0]


def _largest_body_buffer(text: str) -> int:
    units = {"": 1, "k": 1 << 10, "m": 1 << 20}
    found = re.findall(r"^\s*client_body_buffer_size (\d+)([km]?);", text, re.MULTILINE)
    return max((int(size) * units[unit] for size, unit in found), default=0)


def test_the_bound_has_what_the_gateway_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nginx of the upper bound has the gateway's size of body buffers, and as many workers."""
    bound = targets.server(NGINX, tmp_path)
    monkeypatch.setenv("WHARF_NGINX_WORKERS", "3")
    monkeypatch.setattr(bound, "program", lambda: "nginx")  # the name only: no nginx runs
    bound._command()
    conf = (tmp_path / "nginx.conf").read_text(encoding="utf-8")
    gateway = [path for path in (ROOT / "deploy/nginx").rglob("*.*") if path.is_file()]
    wanted = max(_largest_body_buffer(path.read_text(encoding="utf-8")) for path in gateway)
    assert _largest_body_buffer(conf) >= wanted > 0
    assert "worker_processes 3;" in conf
    for switch in ("sendfile on;", "access_log off;", "open_file_cache max="):
        assert switch in conf


def test_flask_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """The application of Flask's tutorial stores a picture and returns it."""
    monkeypatch.setenv("BENCH_FOLDER", str(tmp_path))
    client = importlib.import_module("loadtests.bench.flask_tutorial").app.test_client()
    with source.open("rb") as file:
        answer = client.post("/", data={"file": (file, "a b.jpg")})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/uploads/a_b.jpg")
    with client.get("/uploads/a_b.jpg") as found:
        assert found.data == CONTENT
    with source.open("rb") as file:
        client.post("/", data={"file": (file, "a.exe")})
    assert not (tmp_path / "a.exe").exists()


def test_peers_are_locked_by_hash() -> None:
    """Each npm package has an integrity hash and no address; each PyPI package has a hash."""
    folder = ROOT / "requirements"
    packages = json.loads((folder / "peers/package-lock.json").read_text())["packages"]
    own = packages.pop("")
    assert own["dependencies"] == {"@tus/file-store": "2.1.1", "@tus/server": "2.4.5"}
    assert all(found["integrity"].startswith("sha512-") for found in packages.values())
    assert not any("resolved" in found for found in packages.values())
    lines = (folder / "peers.txt").read_text().splitlines()
    pinned = [number for number, line in enumerate(lines) if "==" in line]
    assert pinned
    assert all("--hash=sha256:" in lines[number + 1] for number in pinned)
