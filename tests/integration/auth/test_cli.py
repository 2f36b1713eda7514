"""The command `wharf-auth`, as an operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from tests.servers.auth_command import Run, installed, mistake, run

__all__ = ["installed", "run"]


def test_a_new_installation(run: Run, tmp_path: Path) -> None:
    """A new installation gets its tables, keys, a tenant and a client.

    A repeated `migrate` or `init` does nothing.
    """
    for _ in range(2):
        assert run("migrate").returncode == 0
        assert run("init").returncode == 0
    credentials = json.loads((tmp_path / "data" / "credentials.json").read_text())
    assert credentials["demo"]["tenant"] == "demo"
    made = json.loads(run("tenant", "create", "acme", "--display-name", "A", "--json").stdout)
    assert made["display_name"] == "A"
    scopes = ("--scope", "files:read", "--scope", "files:write")
    client = json.loads(run("client", "create", "acme", "billing", *scopes, "--json").stdout)
    assert client["scopes"] == ["files:read", "files:write"]
    assert len(client["client_secret"]) == 43
    lines = run("tenant", "list", "--json").stdout.splitlines()
    names = [json.loads(line)["tenant"] for line in lines]
    assert names == ["acme", "demo", "wharf-admin"]
    assert run("tenant", "suspend", "acme").returncode == 0
    assert "suspended" in run("tenant", "show", "acme").stdout
    assert run("tenant", "resume", "acme").returncode == 0
    listed = run("client", "list", "acme").stdout
    assert client["client_id"] in listed
    assert client["client_secret"] not in listed
    assert run("client", "disable", "acme", client["client_id"]).returncode == 0
    assert "disabled" in run("client", "list", "acme").stdout


def test_secrets_can_be_changed_without_a_gap(installed: Run) -> None:
    """A client gets a second secret before the first one is retired. A third
    active secret is refused.
    """
    added = json.loads(installed("client", "add-secret", "demo", "wharf-demo", "--json").stdout)
    mistake(installed("client", "add-secret", "demo", "wharf-demo"), "two secrets already")
    first, second = installed("client", "secrets", "wharf-demo").stdout.splitlines()
    assert second.startswith(added["secret_id"])
    retire = ("client", "retire-secret", "demo", "wharf-demo", first.split()[0])
    assert installed(*retire).returncode == 0
    mistake(installed(*retire), "no such live secret")
    assert len(installed("client", "secrets", "wharf-demo").stdout.splitlines()) == 1


def test_limits_hold_at_the_command_line(installed: Run) -> None:
    """A client above the tenant's limit is refused in one line with the limit,
    and is not created.
    """
    create = ("client", "create", "demo", "second", "--scope", "files:read")
    mistake(installed(*create, environ={"WHARF_TENANT_MAX_CLIENTS": "1"}), "1 active clients")
    assert "second" not in installed("client", "list", "demo").stdout


def test_files_are_private(run: Run, tmp_path: Path) -> None:
    """No other user of the machine can read the files that the command makes."""
    run("migrate")
    run("init")
    for path in (tmp_path / "data").rglob("*"):
        assert not path.stat().st_mode & 0o077, path


def test_credentials_may_lie_elsewhere(run: Run, tmp_path: Path) -> None:
    """`--credentials` chooses the file of the credentials, and `--no-demo`
    omits the demo tenant.
    """
    run("migrate")
    path = tmp_path / "elsewhere" / "c.json"
    assert run("init", "--credentials", str(path), "--no-demo").returncode == 0
    assert list(json.loads(path.read_text())) == ["admin"]
    assert "demo" not in run("tenant", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("tenant", "create", "X"), "3 to 63 characters"),
        (("tenant", "create", "demo"), "A tenant demo exists"),
        (("tenant", "show", "absent"), "no such tenant"),
        (("tenant", "suspend", "wharf-admin"), "administers"),
        (("client", "list", "absent"), "no such tenant"),
        (("client", "create", "absent", "x", "--scope", "files:read"), "no such tenant"),
        (("client", "create", "demo", "x", "--scope", "fly"), "unknown scope 'fly'"),
        (("client", "disable", "demo", "absent"), "no such client"),
        (("client", "secrets", "absent"), "no such client"),
    ],
)
def test_mistakes_are_one_line(installed: Run, arguments: tuple[str, ...], text: str) -> None:
    """A mistake of the operator gets one line on standard error and exit code 1."""
    mistake(installed(*arguments), text)


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("tenant", "create"), ("client", "create", "demo", "x")]
)
def test_wrong_usage_is_exit_code_2(installed: Run, arguments: tuple[str, ...]) -> None:
    """A command with wrong syntax prints its usage and exits with 2."""
    mistake(installed(*arguments), "Usage:", 2)


def test_wrong_settings_are_named(run: Run) -> None:
    """The message on a wrong setting names the variable, its value, and the allowed values."""
    mistake(run("init", environ={"WHARF_DATA": ""}), "WHARF_DATA is not set")
    mistake(run("tenant", "list", environ={"WHARF_DURABILITY": "most"}), "allowed are full")
    mistake(run("init", environ={"WHARF_DATABASE_URL": "mysql://x"}), "WHARF_DATABASE_URL")


def test_database_without_tables(run: Run) -> None:
    """Without tables, the command asks whether `wharf-auth migrate` has run."""
    mistake(run("init"), "has `wharf-auth migrate` run?")


def test_database_out_of_reach(run: Run) -> None:
    """When PostgreSQL is not reachable, each command prints one line with the reason."""
    environ = {"WHARF_DATABASE_URL": "postgresql://wharf@/wharf?host=/nonexistent"}
    mistake(run("migrate", environ=environ), "cannot migrate the database")
    mistake(run("tenant", "list", environ=environ), "the database cannot be used")


def test_passwords_are_not_shown(run: Run) -> None:
    """No message contains the password of a database URL."""
    environ = {"WHARF_DATABASE_URL": "postgresql://wharf:s3cret@/wharf?host=/nonexistent"}
    for command in (("migrate",), ("tenant", "list")):
        done = run(*command, environ=environ)
        assert "s3cret" not in done.stderr + done.stdout


def test_open_key_is_refused(installed: Run, tmp_path: Path) -> None:
    """`init` refuses an existing key that other users can read."""
    (key,) = (tmp_path / "data" / "auth" / "keys").glob("*.pem")
    key.chmod(0o644)
    mistake(installed("init"), f"{key} is open to others")


def test_two_starts_at_once(run: Run, tmp_path: Path) -> None:
    """When two `init` run at the same time, both succeed and create only one key."""
    run("migrate")
    command = [str(Path(sys.executable).parent / "wharf-auth"), "init"]
    environ = {**os.environ, "WHARF_DATA": str(tmp_path / "data")}
    both = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(list((tmp_path / "data" / "auth" / "keys").glob("*.pem"))) == 1


def test_keys_are_listed_rotated_and_retired(installed: Run) -> None:
    """`keys rotate` publishes a new key. `keys retire` removes a published key, and a signing
    key only with `--force`.
    """
    (first,) = installed("keys", "list").stdout.splitlines()
    old = first.split()[0]
    assert first.split()[1] == "signing"
    new = installed("keys", "rotate").stdout.split()[0]
    shown = [json.loads(line) for line in installed("keys", "list", "--json").stdout.splitlines()]
    assert [(one["kid"], one["state"]) for one in shown] == [(old, "signing"), (new, "published")]
    assert shown[0]["until"] == shown[1]["until"]
    mistake(installed("keys", "rotate"), f"the key {new} is published")
    mistake(installed("keys", "retire", old), "--force")
    mistake(installed("keys", "retire", "-absent"), "there is no key -absent")
    assert installed("keys", "retire").stdout == ""
    assert installed("keys", "retire", new).returncode == 0
    assert len(installed("keys", "list").stdout.splitlines()) == 1
    acts = [line.split()[4] for line in installed("audit").stdout.splitlines()]
    assert acts[-2:] == ["keys.rotate", "keys.retire"]


def test_a_tenant_is_deleted_resumed_and_purged(installed: Run) -> None:
    """A deleted tenant can be resumed until the end of its grace period. Then
    the tenant is purged.
    """
    grace = {"WHARF_TENANT_GRACE_SECONDS": "0"}
    installed("tenant", "create", "acme")
    assert installed("tenant", "rename", "acme", "Acme & Co").returncode == 0
    assert "undoes it until" in installed("tenant", "delete", "acme").stdout
    mistake(installed("tenant", "suspend", "acme"), "is deleted")
    assert installed("purge").stdout == ""
    assert installed("tenant", "resume", "acme").returncode == 0
    shown = json.loads(installed("tenant", "show", "acme", "--json").stdout)
    assert (shown["state"], shown["display_name"]) == ("active", "Acme & Co")
    installed("tenant", "delete", "acme", environ=grace)
    mistake(installed("tenant", "resume", "acme"), "is deleted")
    assert installed("purge").stdout == "purged the tenant acme\n"
    assert "acme" in installed("tenant", "list").stdout
    mistake(installed("tenant", "create", "acme"), "names are never reused")
    lines = [json.loads(line) for line in installed("audit", "--json").stdout.splitlines()]
    assert {one["actor"] for one in lines} == {"cli"}
    acts = [one["act"] for one in lines if one["tenant"] == "acme"]
    assert acts[:2] == ["tenants.create", "tenants.rename"]
    assert acts[-1] == "tenants.purge"
    assert installed("audit", "--tenant", "absent").stdout == ""


def test_a_ticket_is_made_for_a_bucket(installed: Run) -> None:
    """A ticket's token has the requested limits, and belongs to the named client."""
    done = installed(
        *("ticket", "create", "demo/photos", "--prefix", "2026/", "--max-file-bytes", "5000000"),
        *("--type", "image/*", "--max-files", "3", "--method", "POST", "--expires-in", "60"),
        *("--redirect", "https://a.example/done", "--client", "wharf-demo", "--json"),
    )
    made = json.loads(done.stdout)
    claims = json.loads(jwt.utils.base64url_decode(made["ticket"].split(".")[1]))
    assert (claims["tid"], claims["sub"], claims["scope"]) == ("demo", "wharf-demo", "files:write")
    assert claims["exp"] - claims["iat"] == 60
    assert claims["ticket"] == {
        "bucket": "photos",
        "prefix": "2026/",
        "methods": ["POST"],
        "max_file_bytes": 5_000_000,
        "allowed_types": ["image/*"],
        "max_files": 3,
        "redirect": ["https://a.example/done"],
    }
    assert made["url"].endswith(f"/u/{made['ticket']}")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["demo/photos"], "Send a key or a prefix"),
        (["demo/Photos", "--prefix", ""], "bucket name"),
        (["demo", "--prefix", ""], "bucket name"),
        (["absent/photos", "--prefix", ""], "no such tenant"),
        (["demo/photos", "--prefix", "", "--client", "wharf-admin"], "no active client"),
        (["demo/photos", "--prefix", "", "--max-files", "0"], "at least 1"),
        (["demo/photos", "--prefix", "", "--type", "png"], "media type"),
        (["demo/photos", "--prefix", "", "--expires-in", "3601"], "from 1 to 3600"),
    ],
)
def test_tickets_that_cannot_be_made(installed: Run, arguments: list[str], why: str) -> None:
    """A ticket with a wrong option gets one line with the reason."""
    mistake(installed("ticket", "create", *arguments), why)


def test_mistake_is_one_line(installed: Run) -> None:
    """A wrong grant at the command line gets one line and no traceback."""
    create = ("client", "create", "demo", "x", "--scope", "files:read", "--grant", "fly:photos")
    mistake(installed(*create), "grants[0]: There is no action 'fly'")
