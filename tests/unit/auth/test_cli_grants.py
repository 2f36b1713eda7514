"""The commands for grants and groups. The tests run them in one process, which is faster."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from servicekit.problems import ProblemError
from wharf_auth.cli import cli

Command = Callable[..., Result]
INBOX = "read,write:photos/inbox/"
OWN = "read,write,delete,list:photos/users/{user_id}/"


@pytest.fixture
def wharf(auth_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs `wharf-auth` on a new installation with the tenant `demo`."""
    shutil.copytree(auth_template, tmp_path / "data")
    monkeypatch.setenv("WHARF_DATA", str(tmp_path / "data"))

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, input="correct horse battery\n")

    return call


def made(done: Result) -> Any:
    """Return the JSON that a successful command prints."""
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refusal(done: Result) -> str:
    """Return the message of a command that fails."""
    assert done.exit_code != 0, done.output
    found = done.exception
    if isinstance(found, ProblemError):
        return found.detail
    assert isinstance(found, SystemExit), found
    return done.output


def test_clients(wharf: Command) -> None:
    """`client create` and `client set` set grants; `client show` prints them as they were set."""
    scopes = ("--scope", "files:read", "--scope", "files:write")
    create = ("client", "create", "demo", "importer", *scopes, "--json")
    assert made(wharf(*create))["grants"] is None
    assert made(wharf(*create, "--all"))["grants"] is None
    assert made(wharf(*create, "--no-grants"))["grants"] == []
    client = made(wharf(*create, "--grant", INBOX, "--grant", "read:*"))
    assert client["grants"] == [
        {"bucket": "photos", "prefix": "inbox/", "actions": ["read", "write"]},
        {"bucket": "*", "prefix": "", "actions": ["read"]},
    ]
    change = ("client", "set", "demo", client["client_id"])
    assert f"grants: {INBOX} read:*\n" in wharf(*change, "--name", "Importer").stdout
    assert "grants: nothing\n" in wharf(*change, "--no-grants").stdout
    changed = made(wharf(*change, "--scope", "files:read", "--all", "--json"))
    assert (changed["name"], changed["scopes"], changed["grants"]) == (
        *("Importer", ["files:read"]),
        None,
    )
    shown = wharf("client", "show", "demo", client["client_id"])
    assert "grants: everything\n" in shown.stdout


def test_users(wharf: Command) -> None:
    """`user create` gives a user a private folder, and `user set-grants` replaces the grants."""
    create = ("user", "create", "demo", "ada", "--role", "editor", "--grant", OWN, "--json")
    whole = {"bucket": "photos", "prefix": "users/{user_id}/"}
    assert made(wharf(*create))["grants"] == [
        whole | {"actions": ["read", "write", "delete", "list"]}
    ]
    change = ("user", "set-grants", "demo", "ADA")
    assert f"grants: {INBOX}\n" in wharf(*change, "--grant", INBOX).stdout
    assert made(wharf(*change, "--no-grants", "--json"))["grants"] == []
    assert made(wharf(*change, "--all", "--json"))["grants"] is None
    assert "--grant, --no-grants or --all" in refusal(wharf(*change))
    assert "grants: everything\n" in wharf("user", "show", "demo", "ada").stdout


def test_groups(wharf: Command) -> None:
    """Each command for groups works, and accepts the group's name or its id."""
    reading = ("--scope", "files:read", "--grant", "read,list:documents")
    group = made(wharf("group", "create", "demo", "Auditors", *reading, "--json"))
    assert (group["name"], group["members"], group["scopes"]) == ("Auditors", 0, ["files:read"])
    assert made(wharf("group", "create", "demo", "staff", "--json"))["grants"] == []
    assert [line.split()[2] for line in wharf("group", "list", "demo").stdout.splitlines()] == [
        "Auditors",
        "staff",
    ]
    wharf("user", "create", "demo", "ada", "--role", "viewer")
    assert wharf("group", "add", "demo", "auditors", "ADA", "wharf-demo").exit_code == 0
    shown = wharf("group", "show", "demo", group["group_id"]).stdout
    assert "members: 2\n" in shown
    assert "grants: read,list:documents\n" in shown
    assert [line.split()[0] for line in shown.splitlines()[-2:]] in (
        ["user", "client"],
        ["client", "user"],
    )
    assert "groups: Auditors\n" in wharf("user", "show", "demo", "ada").stdout
    assert "groups: Auditors\n" in wharf("client", "show", "demo", "wharf-demo").stdout
    assert wharf("group", "remove", "demo", "Auditors", "wharf-demo").exit_code == 0
    change = ("group", "set", "demo", "AUDITORS", "--json")
    changed = made(wharf(*change, "--name", "Audit", "--no-scopes", "--all"))
    assert (changed["name"], changed["scopes"], changed["grants"]) == ("Audit", [], None)
    assert changed["members"] == 1
    assert made(wharf("group", "set", "demo", "audit", "--no-grants", "--json"))["grants"] == []
    assert wharf("group", "delete", "demo", "audit").exit_code == 0
    assert "no such group" in refusal(wharf("group", "show", "demo", "audit"))
    assert "groups: \n" in wharf("user", "show", "demo", "ada").stdout


def test_members_that_are_none(wharf: Command) -> None:
    """`group add` refuses and names unknown members, and a name that is both a user's name and a
    client's id.
    """
    wharf("group", "create", "demo", "staff")
    assert "'eve'" in refusal(wharf("group", "add", "demo", "staff", "wharf-demo", "eve"))
    assert "'李四'" in refusal(wharf("group", "add", "demo", "staff", "李四"))
    assert "members: 0\n" in wharf("group", "show", "demo", "staff").stdout
    wharf("user", "create", "demo", "wharf-demo", "--role", "viewer")
    assert "the id of the user instead" in refusal(
        wharf("group", "add", "demo", "staff", "wharf-demo")
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("photos", "is no grant"),
        ("read:", "is no grant"),
        (":photos", "There is no action ''"),
        ("read,fly:photos", "There is no action 'fly'"),
        ("read:Photos", "bucket name"),
        ("read:photos/../", '".."'),
        ("read:photos//", "is empty"),
        ("read:photos/cafe\u0301/", "NFC"),
        ("read:photos/{user}/", "'{user}' is no placeholder"),
        ("read:photos/{user_id}/", "A client has no {user_id}."),
        ("读:photos", "There is no action '读'"),
        ("照片", "'照片' is no grant"),
        ("read:photos/{用户}/", "'{用户}' is no placeholder"),
        ("read:photos/\udcff", "U+DCFF"),
        ("read:\udcff", "bucket name"),
        ("\udcff:photos", "There is no action '<U+DCFF>'"),
    ],
)
def test_grants_that_are_none(wharf: Command, text: str, reason: str) -> None:
    """A command with a bad grant names the entry and the reason, and creates no client."""
    create = ("client", "create", "demo", "x", "--scope", "files:read", "--grant", "read:*")
    told = refusal(wharf(*create, "--grant", text))
    assert "grants[1]: " in told
    assert reason in told
    assert " x:" not in wharf("client", "list", "demo").stdout


def test_options_exclude_each_other(wharf: Command) -> None:
    """A command refuses options that contradict each other."""
    for options in (("--all", "--no-grants"), ("--all", "--grant", INBOX)):
        told = refusal(wharf("group", "create", "demo", "x", *options))
        assert "exclude each other" in told
    told = refusal(wharf("group", "set", "demo", "x", "--scope", "files:read", "--no-scopes"))
    assert "exclude each other" in told


def test_grant_options_are_told(wharf: Command) -> None:
    """The help text of `--grant` names the actions and the placeholders."""
    told = wharf("group", "set", "--help").stdout
    for word in ("read, write, delete, list", "{user_id}", "{username}", "{client}"):
        assert word in " ".join(click.unstyle(told).split())
