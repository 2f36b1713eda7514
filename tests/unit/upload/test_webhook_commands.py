"""Tests of `wharf-upload webhooks`, by which an operator inspects and changes endpoints."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.servers.endpoints import ADDRESS, added, stored
from tests.servers.upload import UploadService
from wharf_upload.commands.webhooks import webhooks
from wharf_upload.domain.webhooks import Endpoint

UNKNOWN = "0" * 32


def run(upload: UploadService, *arguments: str) -> Result:
    return CliRunner().invoke(webhooks, arguments, obj=upload.settings)


def lines(upload: UploadService, *arguments: str) -> list[dict[str, Any]]:
    """Return the lines of a command that succeeds."""
    done = run(upload, *arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_endpoints_are_listed(upload: UploadService) -> None:
    """Each endpoint is one line without its secret, of one tenant or of all."""
    one, other = added(upload), added(upload, "other")
    assert [(line["tenant"], line["id"]) for line in lines(upload, "list")] == [
        ("demo", one.endpoint.id),
        ("other", other.endpoint.id),
    ]
    (line,) = lines(upload, "list", "--tenant", "other")
    assert (line["id"], line["url"]) == (other.endpoint.id, ADDRESS)
    assert "secret" not in run(upload, "list").output


def test_failing_endpoints(upload: UploadService) -> None:
    """`--failing` lists endpoints that fail or are disabled, and no other endpoints."""
    added(upload)
    changes: list[dict[str, Any]] = [{"failing_since": 5}, {"state": "disabled"}]
    wanted = []
    for change in changes:
        name = added(upload).endpoint.id
        wanted.append(name)

        def changed(known: Endpoint, to: dict[str, Any] = change) -> Endpoint:
            return msgspec.structs.replace(known, **to)

        upload.records.endpoints.change_endpoint("demo", name, changed)
    assert [line["id"] for line in lines(upload, "list", "--failing")] == sorted(wanted)


def test_a_pause(upload: UploadService) -> None:
    """A paused endpoint is active again after `enable`, from where it stopped or from now."""
    shown = added(upload).endpoint
    assert lines(upload, "pause", "demo", shown.id)[0]["state"] == "paused"
    assert stored(upload, shown).state == "paused"
    upload.put("a", b"text")
    assert lines(upload, "enable", "demo", shown.id)[0]["state"] == "active"
    assert stored(upload, shown).position == shown.position
    lines(upload, "enable", "demo", shown.id, "--from-now")
    assert stored(upload, shown).position > shown.position


def test_tests_and_retries(upload: UploadService) -> None:
    """`show` prints tests and events, and those that have ended can be retried by their ids."""
    shown = added(upload).endpoint
    (test,) = lines(upload, "test", "demo", shown.id)
    upload.put("a", b"text")
    upload.records.fan_out.fan_out("demo", shown.id)
    endpoint, event, last = lines(upload, "show", "demo", shown.id)
    assert (endpoint["id"], last["id"], event["kind"]) == (shown.id, test["id"], "file.created")
    with upload.database.transaction() as connection:
        connection.execute("UPDATE deliveries SET state = 'failed', attempts = 10")
    assert len(lines(upload, "show", "demo", shown.id, "--failed")) == 3
    for delivery in (test, event):
        (retried,) = lines(upload, "retry", "demo", shown.id, delivery["id"])
        assert (retried["state"], retried["attempts"]) == ("open", 0)


@pytest.mark.parametrize("name", [UNKNOWN, "no id", "\0"])
@pytest.mark.parametrize("command", ["show", "pause", "enable", "test", "retry"])
def test_unknown_ids(upload: UploadService, command: str, name: str) -> None:
    """A command exits with 1 and one line for an unknown id."""
    added(upload)
    more = ("test-1",) if command == "retry" else ()
    done = run(upload, command, "demo", name, *more)
    assert done.exit_code == 1
    assert done.output.startswith("wharf-upload: ")


@pytest.mark.parametrize("name", ["test-1", "1", "no id"])
def test_unknown_deliveries(upload: UploadService, name: str) -> None:
    """A retry exits with 1 and one line for an id of no delivery."""
    done = run(upload, "retry", "demo", added(upload).endpoint.id, name)
    assert done.exit_code == 1
    assert done.output.startswith("wharf-upload: ")
