"""Tests of `wharf-upload secrets`, by which an operator replaces the keys that seal secrets."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from servicekit.sealing import KeyRing
from tests.servers.endpoints import added, catalog, operator, stored
from tests.servers.upload import UploadService
from wharf_upload import webhook_bootstrap
from wharf_upload.commands.secrets import secrets
from wharf_upload.webhooks.endpoint_catalog import Shown


def run(upload: UploadService, *arguments: str) -> Result:
    return CliRunner().invoke(secrets, arguments, obj=upload.settings)


def key_file(upload: UploadService) -> Path:
    return webhook_bootstrap.key_file(upload.settings)


def opened(upload: UploadService, *shown: Shown) -> bool:
    """Tell whether the present keys open the first secret of each endpoint."""
    own = webhook_bootstrap.secrets_of(upload.settings)
    known = [stored(upload, one.endpoint) for one in shown]
    return all(own.opens(endpoint, endpoint.secrets[0]) for endpoint in known)


def test_rotation(upload: UploadService) -> None:
    """After a rotation the new key seals the same secrets, and the old key can be removed."""
    shown = [added(upload), added(upload), added(upload, "other")]
    secret = webhook_bootstrap.secrets_of(upload.settings).current(shown[0].endpoint, 0)
    old = KeyRing.load(key_file(upload)).current_id
    assert run(upload, "list").output == f"{old} secrets: 3 current\n"
    done = run(upload, "rotate")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("sealed again: secrets of 3 endpoints\n")
    new = KeyRing.load(key_file(upload)).current_id
    assert run(upload, "list").output == f"{new} secrets: 3 current\n{old} secrets: 0\n"
    assert run(upload, "drop", old).exit_code == 0
    assert KeyRing.load(key_file(upload)).ids == [new]
    again = webhook_bootstrap.secrets_of(upload.settings)
    assert again.current(stored(upload, shown[0].endpoint), 0) == secret
    assert opened(upload, *shown)


def test_keys_that_are_needed(upload: UploadService) -> None:
    """A key that seals a secret cannot be dropped; the error says how many secrets it seals."""
    added(upload)
    old = KeyRing.load(key_file(upload)).current_id
    KeyRing.load(key_file(upload)).added(key_file(upload))
    refused = run(upload, "drop", old)
    assert refused.exit_code == 1
    assert f"{old} seals 1 secrets" in refused.output
    assert run(upload, "reseal").exit_code == 0
    assert run(upload, "drop", old).exit_code == 0
    assert run(upload, "drop", old).exit_code == 1


def test_keys_that_are_missing(upload: UploadService) -> None:
    """A secret whose key was lost is listed, stays as it is, and can be replaced."""
    shown, path = added(upload), key_file(upload)
    lost = KeyRing.load(path).current_id
    path.unlink()
    KeyRing.create(path)
    whole = added(upload)
    listed = run(upload, "list")
    assert (listed.exit_code, listed.output.splitlines()[-1]) == (1, f"{lost} secrets: 1 missing")
    failed = run(upload, "rotate")
    assert failed.exit_code == 1
    assert "secrets of 1 endpoints cannot be opened" in failed.output
    assert opened(upload, whole)
    assert stored(upload, shown.endpoint).secrets == shown.endpoint.secrets
    catalog(upload).rotate(operator(), shown.endpoint.id)
    assert opened(upload, shown)
    assert len(stored(upload, shown.endpoint).secrets) == 1
    assert run(upload, "list").exit_code == 0


def test_without_a_file(upload: UploadService) -> None:
    """Without a file of keys the commands name the file."""
    for arguments in (["list"], ["rotate"], ["reseal"], ["drop", "key"]):
        done = run(upload, *arguments)
        assert (done.exit_code, str(key_file(upload)) in done.output) == (1, True), arguments
