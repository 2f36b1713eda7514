"""The commands of docs/backup.md, in order, on a Wharf that accepts uploads at that time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.wharf.api_client import LARGE, ApiClient
from tests.servers.wharf.instance import ROOT, running
from tests.servers.wharf.tenants import Signer, Tenants
from tests.servers.wharf.tus_client import Tus

PAGE = ROOT / "docs" / "backup.md"
NAME = "%E8%AE%BE%E8%AE%A1/%E5%9B%BE.png"
UNFINISHED = b"0123456789" * 100_000
ARRIVED = 300_000


def steps(heading: str, **variables: str) -> str:
    """Run the commands below a heading of the page as they are written, and return their output."""
    section = (
        PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    )
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    done = shell(block, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the checkout with these variables, and with no other variable `WHARF_…`."""
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**kept, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def uploads(api: ApiClient, done: dict[str, bytes]) -> Iterator[None]:
    """Upload, replace, move and delete files in a thread; `done` records the stored files."""
    stop, faults = threading.Event(), list[str]()

    def work() -> None:
        number = 0
        # Without a pause this thread would take the CPU cores from the backup.
        while not stop.wait(0.02):
            number += 1
            key, content = f"meanwhile/{number % 40}", f"version {number}\n".encode() * 99
            status = api.put(key, content).status
            if status not in (200, 201, 204):
                faults.append(f"{key}: {status}")
            done[key] = content
            if number % 10 == 0:
                api.request("DELETE", f"/v1/files/default/{key}")
                del done[key]
            elif number % 10 == 5:
                moved = f"moved/{number}"
                status = api.send_json(
                    "PATCH", f"/v1/metadata/default/{key}", {"key": moved}
                ).status
                if status != 200:
                    faults.append(f"{moved}: {status}")
                done[moved] = done.pop(key)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not faults


def unfinished(tus: Tus) -> str:
    """Return the address of an upload of which only a part has arrived."""
    address = tus.created(len(UNFINISHED), filename="unfinished.bin")
    assert tus.patch(address, 0, UNFINISHED[:ARRIVED]).status == 204
    return address


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_backup_restore(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The page's commands move a whole Wharf to another folder or to PostgreSQL.

    Files, links, accounts, tokens and limits survive,
    and an unfinished upload continues at its offset.
    """
    kept: dict[str, bytes] = {NAME: b"\x89PNG" + bytes(999), "large": LARGE}
    meanwhile: dict[str, bytes] = {}
    backup = {"BACKUP": str(tmp_path / "backup")}
    # Deleted and replaced files are removed immediately; only a backup delays the removal.
    with running(WHARF_DELETED_GRACE_SECONDS="0", WHARF_SWEEP_SECONDS="1") as wharf:
        admin = Tenants(wharf)
        api = admin.tenant()
        for key, content in kept.items():
            api.stored(key, content)
        address = unfinished(Tus(api))
        link = api.send_json("POST", "/v1/links", {"bucket": "default", "key": "large"}).json()
        with uploads(api, meanwhile):
            busy = steps("Back up", WHARF_DATA=str(wharf.data), **backup)
        assert "missing: 0" in busy
        if engine == "sqlite":
            whole(tmp_path / "of-a-busy-wharf", **backup)
        # No upload runs during the second backup.
        second = steps("Back up", WHARF_DATA=str(wharf.data), **backup)
        assert "missing: 0" in second
        issuer, port = f"{wharf.url}/auth", str(wharf.port)

    environ = moved(engine, tmp_path, request, backup)
    data = Path(environ.pop("WHARF_DATA"))
    with running(data, WHARF_ISSUER=issuer, WHARF_PORT=port, **environ) as wharf:
        same = ApiClient(wharf.port, api.token, api.tenant)
        for key, content in {**kept, **meanwhile}.items():
            assert same.file(key).body == content, key
        listed = same.get("/v1/files/default?limit=1000").json()["files"]
        assert len(listed) == len(kept) + len(meanwhile)
        assert ApiClient(wharf.port).get(link["url"].removeprefix(wharf.url)).body == LARGE
        resumed(Tus(same), address)
        # The secrets of the clients and of the administrator are unchanged.
        assert Tenants(wharf).client(api.tenant).stored("new")
        assert shell(
            ".venv/bin/wharf-upload check --read-all", WHARF_DATA=str(data), **environ
        ).stdout.endswith("faults: 0\n")


def whole(data: Path, **backup: str) -> None:
    """Restore the backup of the busy Wharf, and check that each of its files has its bytes."""
    said = steps("Restore", RESTORED=str(data), **backup)
    assert "missing: 0" in said
    assert said.endswith("faults: 0\n")


def moved(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest, backup: dict[str, str]
) -> dict[str, str]:
    """Restore the backup as the page says, and return the settings of the restored Wharf."""
    data = str(tmp_path / "restored")
    if engine == "sqlite":
        said = steps("Restore", RESTORED=data, **backup)
        environ = {"WHARF_DATA": data}
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.new_database()
        heading = "From SQLite and a local disk to PostgreSQL and a shared volume"
        said = steps(heading, SHARED=data, POSTGRES=url, **backup)
        environ = {"WHARF_DATA": data, "WHARF_DATABASE_URL": url}
    assert "missing: 0" in said
    assert said.endswith("faults: 0\n")
    again = shell(f".venv/bin/wharf-upload restore {backup['BACKUP']}/upload", **environ)
    assert again.returncode == 1
    assert "restore needs an empty database" in again.stderr
    return environ


def resumed(tus: Tus, address: str) -> None:
    """Check that the upload continues at its offset and ends with the right bytes."""
    assert tus.offset(address) == ARRIVED
    assert tus.patch(address, ARRIVED, UNFINISHED[ARRIVED:]).status == 204
    content = tus.api.file("unfinished.bin").body
    assert hashlib.sha256(content).digest() == hashlib.sha256(UNFINISHED).digest()


def test_sizes_of_a_backup(tmp_path: Path) -> None:
    """A second backup copies only new files, and drops deleted files.

    A restore of a backup without its manifest is refused.
    """
    folder = tmp_path / "backup"
    command = f".venv/bin/wharf-upload backup {folder}"
    # In the Wharf of all tests other tests delete blobs, and a backup could not copy these blobs.
    with running() as wharf:
        environ, api = {"WHARF_DATA": str(wharf.data)}, Signer(wharf).client()
        api.stored("stays", LARGE)
        api.stored("goes", LARGE)
        assert shell(command, **environ).returncode == 0
        blobs = len(list((folder / "tenants" / api.tenant).rglob("*/*")))
        assert api.request("DELETE", "/v1/files/default/goes").status == 204
        api.stored("comes")
        said = shell(command, **environ).stdout
    assert "copied_files: 1\n" in said
    assert len(list((folder / "tenants" / api.tenant).rglob("*/*"))) == blobs
    (folder / "manifest.json").unlink()
    refused = shell(f".venv/bin/wharf-upload restore {folder}", WHARF_DATA=str(tmp_path / "new"))
    assert refused.returncode == 1
    assert "no whole backup" in refused.stderr
    assert refused.stderr.count("\n") == 1
