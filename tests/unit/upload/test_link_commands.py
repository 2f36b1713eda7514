"""Tests of `wharf-upload links`, by which an operator lists and ends a tenant's links."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from tests.servers.upload import UploadService
from tests.unit.upload.test_ends_of_links import shows
from tests.unit.upload.test_kept_links import KEY, post
from wharf_upload.commands.links import links

OTHER = "0" * 32


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with one file."""
    upload.put(KEY, b"text")
    return upload


def run(upload: UploadService, *arguments: str) -> Result:
    return CliRunner().invoke(links, arguments, obj=upload.settings)


def test_links_are_listed(stored: UploadService) -> None:
    """Each link is one line of JSON without its address, with the filters of the API."""
    file = post(stored)
    folder = post(stored, {"key": None, "prefix": "a"}, sub="client-2")
    lines = [json.loads(line) for line in run(stored, "list", "demo").output.splitlines()]
    assert {line["id"] for line in lines} == {file.id, folder.id}
    assert all("url" not in line for line in lines)
    (one,) = run(stored, "list", "demo", "--maker", "client-2").output.splitlines()
    assert (json.loads(one)["prefix"], json.loads(one)["maker"]) == ("a/", "client-2")
    assert len(run(stored, "list", "demo", "--bucket=default", f"--key={KEY}").output) > len(one)
    assert run(stored, "list", "other").output == ""
    assert run(stored, "list", "demo", f"--key={KEY}").exit_code == 1


def test_links_are_ended(stored: UploadService) -> None:
    """The command ends named links, or all links, unlisted ones included; an unknown id fails."""
    one, other = post(stored), post(stored)
    unlisted = post(stored, {"listed": False, "expires_in": 60})
    done = run(stored, "end", "demo", str(one.id))
    assert (done.exit_code, done.output) == (0, "ended: 1\n")
    assert not shows(stored, one.path)
    assert run(stored, "end", "demo", str(one.id), OTHER, "\0").exit_code == 1
    assert run(stored, "end", "other", str(other.id)).exit_code == 1
    assert run(stored, "end", "demo").exit_code == 1
    assert shows(stored, other.path)
    assert "removed: 1" in run(stored, "end", "demo", "--all").output
    stored = stored.restarted()
    for link in (other, unlisted):
        assert not shows(stored, link.path)
