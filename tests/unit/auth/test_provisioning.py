"""`wharf-auth init`: it runs at each startup and may be interrupted at any point."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from servicekit.database import open_database
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS, act
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.database.people_contract import PasswordLogin
from wharf_auth.database.sql import SqlRecords
from wharf_auth.provisioning import InitError, Initialiser


@pytest.fixture
def initialiser(tmp_path: Path) -> Iterator[Initialiser]:
    url = f"sqlite:///{tmp_path}/auth/auth.db"
    upgrade(url, MIGRATIONS)
    with closing(open_database(url)) as database:
        yield Initialiser(
            SqlRecords(database),
            Hasher(),
            tmp_path / "auth" / "keys",
            tmp_path / "credentials.json",
            lambda: 1_795_000_000.0,
            tmp_path,
        )


def works(initialiser: Initialiser, name: str) -> bool:
    """Tell whether the secret in the credentials file authenticates the client."""
    entry = json.loads(initialiser.credentials.read_text())[name]
    login = initialiser.records.login(entry["client_id"])
    return login is not None and initialiser.hasher.matching(entry["client_secret"], login.secrets)


def person(initialiser: Initialiser) -> PasswordLogin | None:
    """Return the login of the user `demo`, or None. Check that the user has the password in the
    credentials file.
    """
    found = initialiser.records.password_login("demo", "demo")
    if found is not None:
        password = json.loads(initialiser.credentials.read_text())["demo"]["password"]
        assert initialiser.hasher.matches(password, found.password_hash)
    return found


def test_first_run_makes_everything(initialiser: Initialiser) -> None:
    """The first run makes a key, two tenants, two clients, a user, and a credentials file that
    only its owner can read.
    """
    done = initialiser.run()
    assert len(done) == 5
    assert stat.S_IMODE(initialiser.credentials.stat().st_mode) == 0o600
    found = json.loads(initialiser.credentials.read_text())
    assert set(found) == {"admin", "demo"}
    assert set(found["admin"]) == {"client_id", "client_secret"}
    assert set(found["demo"]) == {"client_id", "client_secret", "tenant", "username", "password"}
    assert (found["demo"]["tenant"], found["demo"]["username"]) == ("demo", "demo")
    login = person(initialiser)
    assert login
    assert login.user.role == "owner"
    assert works(initialiser, "admin")
    assert works(initialiser, "demo")
    admin = initialiser.records.login("wharf-admin")
    assert admin
    assert "tenants:admin" in admin.client.scopes
    assert len(list(initialiser.keys_directory.glob("*.pem"))) == 1


def test_second_run_changes_nothing(initialiser: Initialiser) -> None:
    """A second run reports nothing and writes nothing."""
    initialiser.run()
    before = initialiser.credentials.stat().st_mtime_ns, initialiser.credentials.read_bytes()
    assert initialiser.run() == []
    assert before == (
        initialiser.credentials.stat().st_mtime_ns,
        initialiser.credentials.read_bytes(),
    )


@pytest.mark.parametrize("at", ["add_tenant", "add_user", "add_client"])
def test_interrupted_run_is_finished_by_the_next(
    initialiser: Initialiser, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """After a crash between the credentials file and the rows, the next run uses the secrets in
    the credentials file.
    """
    monkeypatch.setattr(
        initialiser.records, at, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        initialiser.run()
    before = initialiser.credentials.read_bytes()
    monkeypatch.undo()
    initialiser.run()
    assert initialiser.credentials.read_bytes() == before
    assert works(initialiser, "admin")
    assert works(initialiser, "demo")
    assert person(initialiser)


def test_installations_of_before_get_no_person(initialiser: Initialiser) -> None:
    """A run creates no user if the demo client exists, or if the credentials file has only the
    demo client.
    """
    entry = {"client_id": "wharf-demo", "client_secret": "s" * 40, "tenant": "demo"}
    text = json.dumps({"demo": entry})
    for _ in range(2):
        initialiser.credentials.write_text(text)
        initialiser.credentials.chmod(0o600)
        initialiser.run()
        assert works(initialiser, "demo")
        assert set(json.loads(initialiser.credentials.read_text())["demo"]) == set(entry)
        assert person(initialiser) is None


def test_who_was_deleted_stays_away(initialiser: Initialiser) -> None:
    """A deleted demo user does not return at the next start."""
    initialiser.run()
    login = person(initialiser)
    assert login
    initialiser.records.delete_user("demo", login.user.id, 9, act(tenant="demo"))
    assert initialiser.run() == []
    assert initialiser.records.password_login("demo", "demo") is None


def test_a_weak_password_is_refused_and_named(initialiser: Initialiser) -> None:
    """If the password in the credentials file breaks the rules, the start stops with a message of
    one line.
    """
    entry = {"client_id": "wharf-demo", "client_secret": "s" * 40}
    entry |= {"username": "ada", "password": "demo1234"}
    initialiser.credentials.write_text(json.dumps({"demo": entry}))
    initialiser.credentials.chmod(0o600)
    with pytest.raises(InitError, match="demo: This password is made of the names"):
        initialiser.run()


def test_given_file_decides_the_secrets(initialiser: Initialiser) -> None:
    """A credentials file that exists before the first run is used unchanged."""
    secret = "s" * 40
    text = json.dumps({"admin": {"client_id": "wharf-admin", "client_secret": secret}})
    initialiser.credentials.write_text(text)
    initialiser.credentials.chmod(0o400)
    initialiser.run(demo=False)
    assert initialiser.credentials.read_text() == text
    assert works(initialiser, "admin")
    assert initialiser.records.login("wharf-demo") is None


def test_file_taken_away_stays_away(initialiser: Initialiser) -> None:
    """After the credentials file was deleted, a start makes no file and no new secrets."""
    initialiser.run()
    old = json.loads(initialiser.credentials.read_text())["admin"]["client_secret"]
    initialiser.credentials.unlink()
    initialiser.run()
    assert not initialiser.credentials.exists()
    login = initialiser.records.login("wharf-admin")
    assert login
    assert len(login.secrets) == 1
    assert initialiser.hasher.matching(old, login.secrets)


def test_disabled_clients_stay_disabled(initialiser: Initialiser) -> None:
    """A disabled demo client stays disabled at the next start."""
    initialiser.run()
    initialiser.records.disable("demo", "wharf-demo", 9, act())
    initialiser.run()
    assert "demo" in json.loads(initialiser.credentials.read_text())


def test_members_of_newer_releases_stay(initialiser: Initialiser) -> None:
    """A run that adds an entry to the credentials file keeps members that only a newer release
    knows.
    """
    initialiser.run(demo=False)
    found = json.loads(initialiser.credentials.read_text())
    found["admin"]["next_member"] = {"a": [1]}
    initialiser.credentials.write_text(json.dumps(found))
    initialiser.run()
    now = json.loads(initialiser.credentials.read_text())
    assert now["admin"] == found["admin"]
    assert set(now) == {"admin", "demo"}


@pytest.mark.parametrize(
    ("text", "mode", "line"),
    [
        ("{}", 0o644, "open to all users"),
        ("{", 0o600, "not a credentials file"),
        ("[]", 0o600, "not a credentials file"),
        ('{"admin": {"client_id": "wharf-admin"}}', 0o600, "not a credentials file"),
        (
            '{"admin": {"client_id": "wharf-admin", "client_secret": "short"}}',
            0o600,
            "secret of admin is weak",
        ),
        (
            '{"demo": {"client_id": "other", "client_secret": "%s"}}' % ("s" * 40),
            0o600,
            "client_id of demo must be wharf-demo",
        ),
    ],
)
def test_unusable_files_are_refused_and_named(
    initialiser: Initialiser, text: str, mode: int, line: str
) -> None:
    """A start refuses a credentials file that is malformed, open to all or has a weak secret, and
    names its path.
    """
    initialiser.credentials.write_text(text)
    initialiser.credentials.chmod(mode)
    with pytest.raises(InitError, match=line) as caught:
        initialiser.run()
    assert str(initialiser.credentials) in str(caught.value)


def test_folder_that_cannot_be_written(initialiser: Initialiser, tmp_path: Path) -> None:
    """If a start cannot write the credentials file, it stops with a message of one line and makes
    no client.
    """
    (tmp_path / "file").touch()
    initialiser.credentials = tmp_path / "file" / "credentials.json"
    with pytest.raises(InitError, match="cannot be"):
        initialiser.run()
    assert initialiser.records.login("wharf-admin") is None


def test_a_deleted_demo_tenant_stays_deleted(initialiser: Initialiser) -> None:
    """A deleted demo tenant stays deleted at the next start, before and after its purge."""
    initialiser.run()
    records = initialiser.records
    records.delete_tenant("demo", 5, act(tenant="demo"))
    assert initialiser.run() == []
    assert records.purge_tenant("demo", act(tenant="demo", at=5))
    assert initialiser.run() == []
    assert records.login("wharf-demo") is None
