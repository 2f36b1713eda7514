"""deploy/k8s/secrets.sh: it makes secrets that auth accepts, and keeps existing secrets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.k8s.checks.rendering import ROOT
from servicekit.sealing import KeyRing
from wharf_auth import provisioning, signing

SCRIPT = ROOT / "deploy/k8s/secrets.sh"


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Return an overlay with an example of the files with database URLs."""
    (tmp_path / "kustomization.yaml").write_text("resources: [secrets]\n")
    (tmp_path / "auth-databases.env.example").write_text("WHARF_DATABASE_URL=x://CHANGE-ME@y\n")
    return tmp_path


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False
    )


def contents(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in sorted(os.listdir(folder))}


def test_auth_takes_the_keys(overlay: Path) -> None:
    """auth can sign with a key that the script made; the key's name contains its creation time."""
    assert run(overlay).returncode == 0
    (key,) = signing.load(overlay / "secrets").values()
    assert key.private.key_size >= signing.KEY_BITS
    assert abs(int(key.path.name.partition("-")[0]) - os.stat(key.path).st_mtime) < 60


def test_auth_takes_the_credentials(overlay: Path) -> None:
    """`wharf-auth init` accepts the administrator's secret that the script made."""
    run(overlay)
    entries = provisioning.read_credentials(overlay / "secrets/credentials.json")
    assert entries.keys() == {"admin"}
    assert len(entries["admin"].client_secret) >= 43


def test_upload_takes_the_sealing_key(overlay: Path) -> None:
    """upload can seal with the key that the script made, and each run keeps the key."""
    run(overlay)
    keys = KeyRing.load(overlay / "secrets/secrets.keys")
    sealed = keys.seal(b"secret", "place")
    run(overlay)
    again = KeyRing.load(overlay / "secrets/secrets.keys")
    assert again.open(sealed, "place") == b"secret"
    assert len(again.ids) == 1


def test_kustomize_is_told_of_everything(overlay: Path) -> None:
    """The kustomization.yaml that the script writes puts each file into a Secret."""
    run(overlay)
    secrets = overlay / "secrets"
    generators = yaml.safe_load((secrets / "kustomization.yaml").read_text())["secretGenerator"]
    (key,) = secrets.glob("*.pem")
    assert generators == [
        {"name": "wharf-credentials", "files": ["credentials.json"]},
        {"name": "wharf-signing-keys", "files": [key.name]},
        {"name": "wharf-sealing-keys", "files": ["secrets.keys"]},
        {"name": "wharf-auth-databases", "envs": ["auth-databases.env"]},
    ]


def test_keys_of_an_object_store(overlay: Path) -> None:
    """The store's keys become a Secret.

    If the store's certificate has a private authority, the authority becomes a ConfigMap.
    The script asks the operator to edit the keys.
    """
    (overlay / "blob-keys.example").write_text("CHANGE-ME\nCHANGE-ME\n")
    first = run(overlay)
    assert f"{overlay}/secrets/blob-keys" in first.stdout
    (overlay / "secrets/blob-ca.pem").write_text("certificate\n")
    run(overlay)
    made = yaml.safe_load((overlay / "secrets/kustomization.yaml").read_text())
    assert made["secretGenerator"][-1] == {"name": "wharf-blob-keys", "files": ["blob-keys"]}
    authority = {"name": "wharf-blob-ca", "files": ["ca.pem=blob-ca.pem"]}
    assert made["configMapGenerator"] == [authority]
    # auth gets only signing keys.
    keys = made["secretGenerator"][1]["files"]
    assert keys == [key.name for key in (overlay / "secrets").glob("*-wharf.pem")]


def test_nothing_is_overwritten(overlay: Path) -> None:
    """A second run changes no file, not even a file that the operator has edited."""
    first = run(overlay)
    assert f"edit before you apply: {overlay}/secrets/auth-databases.env" in first.stdout
    (overlay / "secrets/auth-databases.env").write_text("WHARF_DATABASE_URL=mine\n")
    before = contents(overlay / "secrets")
    second = run(overlay)
    assert (second.returncode, second.stdout) == (0, "")
    assert contents(overlay / "secrets") == before


def test_rotation_keeps_the_old_key(overlay: Path) -> None:
    """A rotation adds a key and keeps the old key, so that its tokens stay valid."""
    run(overlay)
    (old,) = (overlay / "secrets").glob("*.pem")
    # Key names contain the time in seconds. With a changed name the key looks older.
    old.rename(old.with_name("1700000000-wharf.pem"))
    assert run(overlay, "rotate").returncode == 0
    assert len(signing.load(overlay / "secrets")) == 2
    text = (overlay / "secrets/kustomization.yaml").read_text()
    assert all(key.name in text for key in (overlay / "secrets").glob("*.pem"))


@pytest.mark.parametrize("words", [[], ["/nowhere"], ["OVERLAY", "rotat"], ["OVERLAY", "x", "y"]])
def test_wrong_words(overlay: Path, words: list[str]) -> None:
    """With a wrong argument the script prints one line on its usage, and makes no file."""
    done = run(*(str(overlay) if word == "OVERLAY" else word for word in words))
    assert done.returncode == 1
    assert done.stderr.startswith("secrets.sh: ")
    assert "usage: " in done.stderr
    assert not (overlay / "secrets").exists()
