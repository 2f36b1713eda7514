"""A process that receives, changes and deletes files one after the other, which tests kill.

`python -m tests.servers.upload_script DATA CREDENTIALS STEP…` runs the named steps of `STEPS` and
writes a line of JSON for each, with its name, its status and the problem's slug. The last line has
the status of `/readyz`. `CREDENTIALS` is a file with a token and its public key.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import jwt
from werkzeug.test import TestResponse

from servicekit.testing import Issuer
from tests.servers.upload import UploadService, assemble, form_body, settings_for

SMALL, OTHER = b"small" * 100, b"another small one"
LARGE, LARGER = b"large\0" * 60_000, b"larger\0" * 60_000
Model = dict[str, str]


class GivenKeys:
    """A stand-in for the issuer, because making a key in each process takes too long."""

    def __init__(self, credentials: Path) -> None:
        given = json.loads(credentials.read_text())
        self._token: str = given["token"]
        self._jwk = jwt.PyJWK(given["jwk"])

    def token(self, **_: Any) -> str:
        """Return the only token."""
        return self._token

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the only key."""
        return self._jwk


def write_credentials(issuer: Issuer, path: Path) -> None:
    """Write the file that `GivenKeys` reads."""
    path.write_text(json.dumps({"token": issuer.token(), "jwk": issuer.public_jwk()}))


def _form(service: UploadService) -> TestResponse:
    return service.post_form(form_body([("one.txt", SMALL), ("two.txt", LARGE)]))


def _move(service: UploadService) -> TestResponse:
    return service.request(
        "PATCH",
        "/v1/metadata/default/two.txt",
        b'{"key": "moved.txt"}',
        {"Content-Type": "application/json"},
    )


def _move_over(service: UploadService) -> TestResponse:
    return service.request(
        "POST",
        "/v1/copies",
        b'{"from": {"bucket": "default", "key": "moved.txt"}, "on_conflict": "replace", '
        b'"to": {"bucket": "default", "key": "small.txt"}, "move": true}',
        {"Content-Type": "application/json"},
    )


def _sweep(service: UploadService) -> TestResponse:
    service.sweep()
    return service.request("GET", "/healthz")


# The steps are in a meaningful order. Each step before `delete` also works on a new service.
STEPS: dict[str, Callable[[UploadService], TestResponse]] = {
    "small": lambda service: service.put("small.txt", SMALL),
    "spooled": lambda service: service.put("spooled.txt", LARGE, spooled=True),
    "form": _form,
    "replace small": lambda service: service.put("small.txt", OTHER),
    "replace spooled": lambda service: service.put(
        "spooled.txt", LARGER, {"Idempotency-Key": "once"}, spooled=True
    ),
    "delete": lambda service: service.request("DELETE", "/v1/files/default/one.txt"),
    "move": _move,
    "move over": _move_over,
    "sweep": _sweep,
}


def models() -> list[Model]:
    """Return the files before the first step and after each step, as keys with digests."""
    small, other, large, larger = (
        hashlib.sha256(content).hexdigest() for content in (SMALL, OTHER, LARGE, LARGER)
    )
    found: list[Model] = [{}]
    changes: Iterable[Model] = (
        {"small.txt": small},
        {"spooled.txt": large},
        {"one.txt": small, "two.txt": large},
        {"small.txt": other},
        {"spooled.txt": larger},
        {"one.txt": ""},
        {"two.txt": "", "moved.txt": large},
        {"moved.txt": "", "small.txt": large},
        {},
    )
    for change in changes:
        after = {**found[-1], **change}
        found.append({key: digest for key, digest in after.items() if digest})
    return found


def main(data: str, credentials: str, *steps: str) -> None:
    """Run the steps."""
    issuer = cast(Issuer, GivenKeys(Path(credentials)))
    service = assemble(settings_for(Path(data)), issuer)
    for step in steps:
        reply = STEPS[step](service)
        slug = str((reply.json or {}).get("type", "")) if reply.is_json else ""
        line = {"step": step, "status": reply.status_code, "problem": slug.rpartition("/")[2]}
        os.write(1, json.dumps(line).encode() + b"\n")
    ready = service.request("GET", "/readyz")
    os.write(1, json.dumps({"step": "ready", "status": ready.status_code}).encode() + b"\n")
    service.database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
