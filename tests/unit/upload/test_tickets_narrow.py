"""Property test: a file that is stored with a ticket is within all rules of the ticket.

The same client could store each of these files without the ticket.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from servicekit.ids import uuid7_hex
from servicekit.testing import Issuer
from servicekit.tickets import Ticket
from tests.servers.upload import (
    BOUNDARY,
    UploadService,
    assemble,
    copy_database,
    form_body,
    settings_for,
)

CONTENTS = {
    "text/plain": b"plain text, and nothing else\n",
    "text/html": b"<!DOCTYPE html><html><body>hello</body></html>",
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06",
}
PATTERNS = ["text/plain", "text/*", "image/*", "image/png", "*/*"]


@pytest.fixture(scope="module")
def service(
    upload_template: Path, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[UploadService]:
    """Return one service for all examples, each of which has its own folder."""
    data = tmp_path_factory.mktemp("narrow") / "data"
    copy_database(upload_template, data)
    service = assemble(settings_for(data, durability="relaxed"), issuer)
    yield service
    service.database.close()


@dataclass(frozen=True)
class Request:
    """A request with its ticket in the header, or in the path if `by_path` is set."""

    method: str
    by_path: bool
    spooled: bool
    place: str
    media_type: str
    padding: int

    @property
    def content(self) -> bytes:
        """Return the bytes, whose type does not depend on the padding."""
        return CONTENTS[self.media_type] + b" " * self.padding


def send(service: UploadService, request: Request, folder: str, token: str | None) -> TestResponse:
    """Send the request with a ticket, or with an ordinary token of the same client."""
    content_type = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    key = f"{folder}/{request.place}"
    if token is None:
        headers = {}
    elif request.by_path:
        headers = {"Authorization": ""}
    else:
        headers = {"Authorization": f"Bearer {token}"}
    by_path = request.by_path and token is not None
    if request.method == "POST":
        path = f"/u/{token}" if by_path else "/v1/files/default"
        prefix, _, name = key.rpartition("/")
        fields = {} if token is not None else {"prefix": prefix}
        body = form_body([(name, request.content)], fields)
        return service._spool("POST", path, body, {**content_type, **headers})
    path = f"/u/{token}/{request.place}" if by_path else f"/v1/files/default/{key}"
    if request.spooled:
        return service._spool("PUT", path, request.content, headers)
    return service.request("PUT", path, request.content, headers)


TICKETS = st.fixed_dictionaries(
    {
        "place": st.sampled_from(["", "a", "a/", "a/b", "a/b.dat"]),
        "key": st.booleans(),
        "methods": st.sampled_from([("PUT", "POST"), ("PUT",), ("POST",)]),
        "max_file_bytes": st.none() | st.integers(20, 60),
        "allowed_types": st.lists(st.sampled_from(PATTERNS), max_size=2).map(tuple),
        "max_files": st.none() | st.integers(0, 2),
    }
)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["PUT", "POST"]),
    by_path=st.booleans(),
    spooled=st.booleans(),
    place=st.sampled_from(["a", "a/b", "a/b.dat", "a/c", "b", "ab"]),
    media_type=st.sampled_from(sorted(CONTENTS)),
    padding=st.integers(0, 20),
)


def rules(folder: str, drawn: dict[str, Any]) -> Ticket:
    """Return the ticket for a place below this example's folder."""
    place = f"{folder}/{drawn['place']}"
    return Ticket(
        bucket="default",
        key=(place.rstrip("/") if drawn["key"] else None),
        prefix=(None if drawn["key"] else place),
        methods=drawn["methods"],
        max_file_bytes=drawn["max_file_bytes"],
        allowed_types=drawn["allowed_types"],
        max_files=drawn["max_files"],
    )


def fits(ticket: Ticket, document: dict[str, Any], request: Request) -> bool:
    """Return whether a stored file is within every rule, computed independently of the service."""
    key = document["key"]
    inside = key == ticket.key if ticket.prefix is None else key.startswith(ticket.prefix)
    types = ticket.allowed_types or ("*/*",)
    main = request.media_type.partition("/")[0]
    return (
        inside
        and document["bucket"] == "default"
        and request.method in ticket.methods
        and (ticket.max_file_bytes is None or document["size"] <= ticket.max_file_bytes)
        and bool({"*/*", f"{main}/*", request.media_type} & set(types))
    )


@settings(max_examples=150)
@given(drawn=TICKETS, requests=st.lists(REQUESTS, min_size=1, max_size=3))
def test_only_narrows(
    service: UploadService, drawn: dict[str, Any], requests: list[Request]
) -> None:
    """Files stored with a ticket keep its rules and number, and could be stored without it."""
    folder = uuid7_hex()
    ticket = rules(folder, drawn)
    token = service.issuer.token(
        tid=service.tenant, scope="files:write", ticket=msgspec.to_builtins(ticket)
    )
    stored: set[str] = set()
    for request in requests:
        reply = send(service, request, folder, token)
        assert reply.status_code < 500
        if reply.status_code != 201:
            continue
        assert reply.json is not None
        for document in reply.json.get("files", [reply.json]):
            assert fits(ticket, document, request), (ticket, document)
            # A ticket replaces only the key that it names.
            assert ticket.key is not None or document["key"] not in stored
            stored.add(document["key"])
        plain = send(service, request, f"{folder}-plain", None)
        assert plain.status_code == 201
    if ticket.max_files is not None and ticket.key is None:
        assert len(stored) <= ticket.max_files
