"""The main use: credentials, token, PUT, GET, list, DELETE, and commands of `make run`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf


def demo(wharf: Wharf) -> ApiClient:
    """Return the demo client of credentials.json with a fresh token."""
    credentials = wharf.credentials("demo")
    api = ApiClient(wharf.port)
    answer = api.login(credentials["client_id"], credentials["client_secret"])
    assert answer.status == 200, answer.body
    assert answer.json()["token_type"] == "Bearer"
    return ApiClient(wharf.port, answer.json()["access_token"], credentials["tenant"])


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "in-memory", "spooled"])
def test_a_file_goes_in_and_comes_back(wharf: Wharf, content: bytes) -> None:
    """A client with only credentials.json can store, download, list and delete a file."""
    api = demo(wharf)
    key = f"first/{len(content)}.txt"
    answer = api.put(key, content, {"Content-Type": "text/plain"})
    document = answer.json()
    digest = hashlib.sha256(content).hexdigest()

    assert answer.status == 201
    assert (document["key"], document["size"]) == (key, len(content))
    assert document["sha256"] == digest
    assert answer.header("ETag") == document["etag"] == f'"{digest}"'
    assert answer.header("Location") == document["links"]["content"] == f"/v1/files/default/{key}"
    served = api.get(answer.header("Location"))
    assert (served.status, served.body) == (200, content)
    assert key in api.listed()
    assert api.delete(key).status == 204
    api.file(key).problem(404, "not-found")
    assert key not in api.listed()


def test_prefer_return_minimal(api: ApiClient) -> None:
    """A PUT with `Prefer: return=minimal` gets a 204 instead of a 201, and stores the file."""
    answer = api.put("minimal", SMALL, {"Prefer": "return=minimal"})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Preference-Applied") == "return=minimal"
    assert api.file("minimal").body == SMALL


def test_usage_counts_once(api: ApiClient) -> None:
    """A file counts once in the usage, even when replaced; a deleted file does not count."""

    def usage() -> tuple[int, int]:
        found = api.get("/v1/usage").json()
        return found["bytes"], found["files"]

    assert usage() == (0, 0)
    api.stored("one", SMALL)
    api.stored("two", LARGE)
    assert usage() == (len(SMALL) + len(LARGE), 2)
    api.stored("two", SMALL)
    assert usage() == (2 * len(SMALL), 2)
    api.delete("one")
    assert usage() == (len(SMALL), 1)


def test_the_printed_commands_work(wharf: Wharf, tmp_path: Path) -> None:
    """The three commands that `make run` prints upload a file and download the file again."""
    output = wharf.output.read_text(encoding="utf-8")
    lines = [line for line in output.splitlines() if line.startswith(("TOKEN=", "curl "))]
    assert len(lines) == 3
    content = os.urandom(150_000).hex()
    (tmp_path / "README.md").write_text(content)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(content)
    assert '"filename":"README.md"' in ran.stdout


def test_a_listing_pages_and_rolls_up(api: ApiClient) -> None:
    """A listing's pages contain all keys in order, and a delimiter groups keys into prefixes."""
    wanted = sorted(["a/1", "a/2", "b/1", "c", "d"])
    for key in wanted:
        api.stored(key)
    found: list[str] = []
    target = first = "/v1/files/default?limit=2"
    while target:
        page = api.get(target).json()
        found += [file["key"] for file in page["files"]]
        target = f"{first}&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert found == wanted
    rolled = api.get("/v1/files/default?delimiter=/").json()
    assert rolled["prefixes"] == ["a/", "b/"]
    assert [file["key"] for file in rolled["files"]] == ["c", "d"]
    narrowed = api.get("/v1/files/default?prefix=a/").json()
    assert [file["key"] for file in narrowed["files"]] == ["a/1", "a/2"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "unknown=1", "cursor=%21", "limit=1&limit=2", "cursor=AA"],
)
def test_a_listing_refuses_what_it_cannot_read(api: ApiClient, query: str) -> None:
    """A listing with a wrong, unknown or repeated parameter gets a 400; no parameter is ignored."""
    api.get(f"/v1/files/default?{query}").problem(400, "malformed-request")


def test_a_wrong_secret_gets_no_token(wharf: Wharf) -> None:
    """A wrong secret gets `invalid_client` with 401, exactly like an unknown client."""
    api = ApiClient(wharf.port)
    wrong = api.login("wharf-demo", "x" * 43)
    unknown = api.login("nobody", "x" * 43)
    assert wrong.status == unknown.status == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["error"] == "invalid_client"
    assert wrong.header("WWW-Authenticate").startswith("Basic ")


def test_times_are_utc(api: ApiClient) -> None:
    """A file's `created_at` is the RFC 3339 time of its upload in UTC."""
    before = time.gmtime(time.time() - 1)
    created = api.stored("when")["created_at"]
    assert created.endswith("Z")
    assert time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S") >= before
