"""Today's code restores a backup of each earlier release, on either engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.releases.laid import FOLDER, facts, write_credentials

RELEASES = sorted(path.parent.name for path in FOLDER.glob("*/facts.json"))


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the settings of an empty installation."""
    found = {"WHARF_DATA": str(tmp_path / "restored")}
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        found["WHARF_DATABASE_URL"] = postgres.new_database()
    return found


def said(environ: dict[str, str], command: str, *arguments: str) -> str:
    """Return the output of a command, which must succeed."""
    clean = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    done = subprocess.run(
        [Path(sys.executable).with_name(command), *arguments],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(release: str, file: Path) -> list[tuple[Any, ...]]:
    """Make the database of the release and return the sizes of its files."""
    with closing(sqlite3.connect(file)) as database:
        database.executescript((FOLDER / release / f"{file.name}.sql").read_text("utf-8"))
        if file.name == "auth.db":
            return []
        return database.execute("SELECT size FROM files").fetchall()


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest as 0.1.0 does, with `format` and `made_at` in addition
    to the given fields.
    """
    text = json.dumps({"made_at": 1_795_000_000, "format": 1, **manifest})
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as a manifest has it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("release", RELEASES)
def test_upload(release: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Every file of the release is restored with its bytes, and so are the bytes
    of an unfinished upload.
    """
    folder = tmp_path / "backup"
    for name in ("tenants", "resumable"):
        shutil.copytree(FOLDER / release / "files" / name, folder / name)
    sizes = [size for (size,) in rows(release, folder / "upload.db")]
    write_manifest(
        folder,
        {
            "files": len(sizes),
            "bytes": sum(sizes),
            "rows_sha256": digest(folder / "upload.db"),
            "missing": 0,
        },
    )
    printed = said(environ, "wharf-upload", "restore", str(folder))
    assert f"\nfiles: {len(sizes)}\n" in f"\n{printed}"
    assert "missing: 0\n" in printed
    assert said(environ, "wharf-upload", "check", "--read-all").endswith("faults: 0\n")
    (part,) = (Path(environ["WHARF_DATA"]) / "resumable").iterdir()
    assert part.stat().st_size == facts(release)["arrived"]


@pytest.mark.parametrize("release", RELEASES)
def test_auth(release: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The tenants of the release and the files with secrets are restored."""
    folder = tmp_path / "backup"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "1-some.pem").write_text("of no matter here", encoding="utf-8")
    write_credentials(folder)
    rows(release, folder / "auth.db")
    names = ("auth.db", "keys/1-some.pem", "credentials.json")
    write_manifest(folder, {"sha256": {name: digest(folder / name) for name in names}})
    printed = said(environ, "wharf-auth", "restore", str(folder))
    assert printed == "restored accounts and 2 files with secrets\n"
    tenants = said(environ, "wharf-auth", "tenant", "list")
    assert "demo" in tenants
    assert facts(release)["suspended"] in tenants
    assert (Path(environ["WHARF_DATA"]) / "auth/keys/1-some.pem").exists()
