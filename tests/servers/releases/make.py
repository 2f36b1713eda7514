"""Make data of the release of this checkout: `.venv/bin/python -m tests.servers.releases.make`.

The script runs that release as an operator does (`wharf run`), fills it through HTTP, and keeps
both databases as SQL, the files of tenants, and the facts that the tests need. To make the data of
a release again, or of another release, run it in a checkout of that release:

    git worktree add /tmp/release <its commit>
    cp -r tests/servers /tmp/release/tests/      where the release lacks it
    cd /tmp/release && make setup && .venv/bin/python -m tests.servers.releases.make

Then copy the folder that is named after the release back. For code between two releases the
folder's name has the commit: `… -m tests.servers.releases.make 0.2.0.dev0+e9219bb2`. Do not make
the folder of a published release again: its value is that today's code has not touched it. The
signing key is left out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.servers.releases.handed_out import claims_of, exchanged, handed_out
from tests.servers.releases.laid import CREDENTIALS, DATABASES, FOLDER, write_credentials
from tests.servers.wharf import people
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.tenants import Tenants
from tests.servers.wharf.tus_client import Tus
from wharf_upload import __version__

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
WHOLE = bytes(range(256)) * 32
ARRIVED = 3000
FIFTY_YEARS = 50 * 366 * 24 * 3600
POLICY = {
    "max_file_bytes": 4096,
    "allowed_types": ["image/*"],
    "allowed_extensions": ["png"],
    "cors_origins": ["https://app.example"],
}
# The parts of WHARF_DATA that are kept, next to the databases.
KEPT = ("tenants", "resumable", "replicas", "upload/revocations.jsonl")


def filled(wharf: Wharf, release: str) -> dict[str, Any]:
    """Put data of every kind into a Wharf and return the facts that tests must find later."""
    admin = Tenants(wharf).admin
    demo = logged_in(ApiClient(wharf.port))
    made = {"made_at": int(time.time()), "release": release}
    ada = people.make(admin, "demo", role="owner")
    assert ada.login().status == 200
    limits = {"max_files": 100, "max_bytes": 1 << 30}
    assert admin.send_json("PUT", "/v1/tenants/demo/limits", limits).status == 200
    assert demo.send_json("PUT", "/v1/buckets/photos", POLICY).status == 201

    demo.stored("notes/first.txt", b"as it was first\n")
    demo.stored("notes/first.txt", SMALL)
    demo.stored("gone.txt")
    assert demo.delete("gone.txt").status == 204
    named = "%E8%AE%BE%E8%AE%A1.png"
    demo.stored(named, PNG, bucket="photos")
    change = {"metadata": {"camera": "X100"}, "filename": "design.png"}
    assert demo.send_json("PATCH", f"/v1/metadata/photos/{named}", change).status == 200
    repeated = demo.put("once.txt", SMALL, {"Idempotency-Key": "the-same-request"})
    assert repeated.status == 201
    form = demo.post(file_part("form.txt", b"of a form\n"))
    assert form.status == 201, form.body

    link = demo.send_json(
        "POST",
        "/v1/links",
        {"bucket": "default", "key": "notes/first.txt", "expires_in": FIFTY_YEARS},
    )
    assert link.status == 201, link.body
    tus = Tus(demo)
    address = tus.created(len(WHOLE), filename="unfinished.bin")
    assert tus.patch(address, 0, WHOLE[:ARRIVED]).status == 204
    return {
        **made,
        "ticket": ticket_used(demo),
        "link": link.json()["url"].removeprefix(wharf.url),
        "upload": address,
        "arrived": ARRIVED,
        "whole_sha256": hashlib.sha256(WHOLE).hexdigest(),
        "repeated": repeated.json(),
        **refused(admin),
        "listed": {name: listed(demo, name) for name in ("default", "photos")},
        "handed_out": handed_out(admin, demo, ada, PNG, FIFTY_YEARS),
        "events": events(ada.api),
    }


def logged_in(anyone: ApiClient) -> ApiClient:
    """Return a logged-in client of the tenant `demo`."""
    entry = CREDENTIALS["demo"]
    answer = anyone.login(entry["client_id"], entry["client_secret"])
    assert answer.status == 200, answer.body
    return ApiClient(anyone.port, answer.json()["access_token"], "demo")


def ticket_used(demo: ApiClient) -> dict[str, Any]:
    """Upload one file with a ticket for two. Return the ticket's id, subject and rules."""
    rules = {"bucket": "default", "prefix": "in/", "max_files": 2}
    token = exchanged(demo, ticket=json.dumps(rules))
    assert demo.using(token).put("in/by-ticket.txt", SMALL).status == 201
    claims = claims_of(token)
    return {"jti": claims["jti"], "sub": claims["sub"], "rules": claims["ticket"]}


def refused(admin: ApiClient) -> dict[str, Any]:
    """Suspend a tenant and revoke a token. Return the tenant's name and the token's id."""
    assert admin.send_json("POST", "/auth/v1/tenants", {"tenant": "acme"}).status == 201
    assert admin.request("POST", "/auth/v1/tenants/acme/suspend").status == 204
    login = {name: CREDENTIALS["demo"][name] for name in ("client_id", "client_secret")}
    token = logged_in(ApiClient(admin.port)).token
    answer = ApiClient(admin.port).request(
        "POST",
        "/auth/oauth/revoke",
        urlencode({"token": str(token), **login}).encode(),
        people.FORM,
    )
    assert answer.status == 200, answer.body
    time.sleep(3)  # in this time upload reads both entries from the feed
    return {"suspended": "acme", "revoked": claims_of(str(token))["jti"]}


def listed(demo: ApiClient, bucket: str) -> list[dict[str, Any]]:
    """Return all files of a bucket as the API lists them."""
    files: list[dict[str, Any]] = demo.get(f"/v1/files/{bucket}?limit=1000").json()["files"]
    return files


def events(api: ApiClient) -> list[list[Any]]:
    """Return id and kind of each event."""
    answer = api.get("/v1/events?limit=1000")
    assert answer.status == 200, answer.body
    return [[event["id"], event["kind"]] for event in answer.json()["events"]]


def main() -> None:
    """Replace the folder of this release, or the folder that the first argument names."""
    release = sys.argv[1] if len(sys.argv) > 1 else __version__
    target = FOLDER / release
    base = Path(tempfile.mkdtemp(prefix="wharf-release-"))
    data = base / "data"
    data.mkdir(mode=0o700)
    write_credentials(data)
    with running(data, WHARF_LINK_MAX_SECONDS=str(FIFTY_YEARS)) as wharf:
        found = filled(wharf, release)
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(path for name in KEPT for path in files_of(data / name)):
        copy = target / "files" / path.relative_to(data)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for name in DATABASES:
        keep(data / name, target / f"{Path(name).name}.sql")
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    (target / "facts.json").write_text(f"{text}\n", encoding="utf-8")
    shutil.rmtree(base)


def files_of(path: Path) -> list[Path]:
    """Return the file, or the files below the folder."""
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]


def keep(database: Path, target: Path) -> None:
    """Write a database as SQL."""
    connection = sqlite3.connect(database)
    target.write_text("\n".join(connection.iterdump()) + "\n", encoding="utf-8")
    connection.close()


if __name__ == "__main__":
    main()
