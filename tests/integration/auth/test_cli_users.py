"""`wharf-auth user`, as an operator runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from servicekit.database import open_database
from tests.servers.auth_command import Run, installed, mistake, run
from tests.servers.needs import lacking
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.database.sql import SqlRecords

__all__ = ["installed", "run"]

PASSWORD = "correct horse battery"


@pytest.fixture
def records(installed: Run, tmp_path: Path) -> Iterator[SqlRecords]:
    """Yield the records on which the command works."""
    with closing(open_database(f"sqlite:///{tmp_path}/data/auth/auth.db")) as database:
        yield SqlRecords(database)


def good(records: SqlRecords, password: str, name: str = "ada") -> bool:
    """Tell whether this is the user's password."""
    login = records.password_login("demo", name)
    assert login is not None
    return Hasher().matches(password, login.password_hash)


def test_from_creation_to_deletion(installed: Run, records: SqlRecords) -> None:
    """Each `user` command has its effect on a person, is audited, and prints no password."""
    options = ("--role", "editor", "--display-name", "Ada L.", "--json")
    done = installed("user", "create", "demo", "Ada@example.org", *options, stdin=f"{PASSWORD}\n")
    made = json.loads(done.stdout)
    assert (made["username"], made["display_name"], made["role"]) == (
        *("Ada@example.org", "Ada L."),
        "editor",
    )
    assert "password" not in made
    assert PASSWORD not in done.stdout + done.stderr
    assert good(records, PASSWORD, "ada@example.org")
    assert installed("user", "role", "demo", "ada@EXAMPLE.org", "viewer").returncode == 0
    assert installed("user", "disable", "demo", "ada@example.org").returncode == 0
    (line,) = installed("user", "list", "demo").stdout.splitlines()
    assert line.split() == [made["user_id"], "disabled", "viewer", "Ada@example.org"]
    assert installed("user", "enable", "demo", "ada@example.org").returncode == 0
    (shown,) = installed("user", "list", "demo", "--json").stdout.splitlines()
    assert json.loads(shown)["state"] == "active"
    assert installed("user", "delete", "demo", "ada@example.org").returncode == 0
    assert installed("user", "list", "demo").stdout == ""
    acts = [line.act for line in records.audit(after=0, limit=100) if line.act.about]
    assert {one.by.id for one in acts if one.act.startswith("users.")} == {"cli"}


def test_password_is_made_and_shown_once(installed: Run, records: SqlRecords) -> None:
    """`--generate` prints a password that works, at creation and later."""
    done = installed("user", "create", "demo", "ada", "--role", "owner", "--generate")
    (first,) = re.findall(r"^password: (\S{20})$", done.stdout, re.MULTILINE)
    assert good(records, first)
    done = installed("user", "password", "demo", "ada", "--generate")
    (second,) = re.findall(r"^password: (\S{20})$", done.stdout, re.MULTILINE)
    assert good(records, second)
    assert not good(records, first)
    assert "password" not in installed("user", "list", "demo", "--json").stdout.replace(
        "password_changed_at", ""
    )


def test_password_is_asked_for_at_a_terminal(
    installed: Run, records: SqlRecords, tmp_path: Path
) -> None:
    """At a terminal the command asks for the password twice, and does not show what is typed."""
    try:
        process, terminal = pty.fork()
    except OSError as error:
        lacking(f"this machine has no pseudo-terminal ({error}); mount devpts at /dev/pts")
    if process == 0:
        command = str(Path(sys.executable).parent / "wharf-auth")
        environ = {**os.environ, "WHARF_DATA": str(tmp_path / "data")}
        arguments = ("user", "create", "demo", "ada", "--role", "viewer")
        os.execve(command, ["wharf-auth", *arguments], environ)
    output = b""
    for prompt in (b"Password: ", b"Repeat for confirmation: "):
        while not output.endswith(prompt):
            assert select.select([terminal], [], [], 30)[0], output
            output += os.read(terminal, 1024)
        os.write(terminal, f"{PASSWORD}\n".encode())
    _, status = os.waitpid(process, 0)
    with suppress(OSError):  # the process at the other end has ended
        output += os.read(terminal, 1024)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, output
    assert PASSWORD.encode() not in output
    assert good(records, PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "stdin", "text"),
    [
        (("create", "absent", "ada", "--role", "viewer"), PASSWORD, "no such tenant"),
        (("create", "wharf-admin", "ada", "--role", "owner"), PASSWORD, "has clients only"),
        (("create", "demo", "a b", "--role", "viewer"), PASSWORD, "no spaces"),
        (("create", "demo", "ada", "--role", "viewer"), "", "8 to 256 characters"),
        (("create", "demo", "ada", "--role", "viewer"), "password1\n", "most common"),
        (("create", "demo", "ada", "--role", "viewer"), b"\xff\xfe\xff\xfe", "not UTF-8"),
        (("list", "absent"), "", "no such tenant"),
        (("password", "demo", "ada"), PASSWORD, "no such user"),
        (("disable", "demo", "ada"), "", "no such user"),
        (("delete", "absent", "ada"), "", "no such user"),
    ],
)
def test_mistakes_are_one_line(
    installed: Run, arguments: tuple[str, ...], stdin: str | bytes, text: str
) -> None:
    """A mistake of the operator gets one line on standard error and exit code 1."""
    mistake(installed("user", *arguments, stdin=stdin), text)


def test_names_are_taken_once(installed: Run) -> None:
    """A second user with the name of another user is refused, in upper or lower case."""
    create = ("user", "create", "demo")
    assert installed(*create, "ada", "--role", "viewer", "--generate").returncode == 0
    mistake(installed(*create, "ADA", "--role", "viewer", "--generate"), "has a user ADA already")


def test_passwords_are_no_arguments(installed: Run) -> None:
    """No option takes a password, because every user of the machine can see arguments."""
    arguments = ("user", "create", "demo", "ada", "--role", "viewer", "--password", "x")
    mistake(installed(*arguments), "No such option", 2)
