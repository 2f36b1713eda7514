"""Uploads without a shared folder: gateways pass requests on to the replica with the upload."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.e2e.replicas.apart.conftest import Apart
from tests.e2e.replicas.test_as_one import at_once, statuses
from tests.servers.wharf.api_client import LARGE, Answer, ApiClient
from tests.servers.wharf.multipart_body import CONTENT_TYPE
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.slice_forms import slice_form_of
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import TUS, Tus, metadata

_SECONDS = 60.0
_PARTIAL = {"Upload-Draft-Interop-Version": "8", "Content-Type": "application/partial-upload"}


def name_of(address: str) -> str:
    """Return the id of an upload."""
    return address.rpartition("/")[2]


def test_begun_at_one_and_ended_at_the_other(apart: Apart) -> None:
    """An upload whose connection breaks at one replica continues and ends at the other replica."""
    a, b = (Tus(client) for client in apart.clients())
    content = os.urandom(6 << 20)
    address = a.created(len(content))
    with a.begin(address, 0, len(content)) as connection:
        connection.sendall(content[: 2 << 20])
        # A connection that ends before its request is admitted would leave no bytes.
        assert until(lambda: apart.received_bytes("a", name_of(address)) > 0)
    offset = b.offset(address)
    assert offset > 0
    assert b.patch(address, offset, content[offset : 4 << 20]).status == 204
    assert name_of(address) in apart.parts("a")
    assert name_of(address) not in apart.parts("b")
    answer = b.patch(address, 4 << 20, content[4 << 20 :])
    assert answer.status == 204
    assert answer.header("X-Request-Id")
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Tus-Resumable") == "1.0.0"
    assert a.offset(address) == b.offset(address) == len(content)
    assert a.api.file("tus.bin").body == b.api.file("tus.bin").body == content
    assert b.api.used() == (len(content), 1)


def test_by_ticket(apart: Apart) -> None:
    """An upload in parts with a ticket in its address continues at the other replica."""
    a, b = apart.clients()
    rules = {"bucket": "default", "prefix": "in/"}
    ticket = Signer(apart.running["a"]).token(tid=a.tenant, scope="files:write", ticket=rules)
    begun = a.using(None).request(
        "PUT", f"/u/{ticket}/in/x", b"12345", {**_PARTIAL, "Upload-Complete": "?0"}
    )
    assert begun.status == 201, begun.body
    address = begun.header("Location")
    anyone = b.using(None)
    assert anyone.request("HEAD", address, headers=_PARTIAL).header("Upload-Offset") == "5"
    fields = {**_PARTIAL, "Upload-Offset": "5", "Upload-Complete": "?1"}
    ended = anyone.request("PATCH", address, b"678", fields)
    assert ended.status == 201
    assert b.file(ended.json()["key"]).body == b"12345678"


def test_given_up_at_the_other(apart: Apart) -> None:
    """The other replica lists an upload without its offset, and can delete it with its bytes."""
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5)
    assert [found["offset"] for found in a.api.get("/v1/uploads").json()["uploads"]] == [0]
    assert [found["offset"] for found in b.api.get("/v1/uploads").json()["uploads"]] == [None]
    assert b.delete(address).status == 204
    assert a.head(address).status == b.head(address).status == 404
    assert name_of(address) not in apart.parts("a")
    assert a.api.used() == (0, 0)


def test_given_up_by_the_console(apart: Apart) -> None:
    """A DELETE through the console door of one replica ends an upload on the other replica."""
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5)
    lines = [
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 1",
        f"DELETE {address} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {b.api.token}",
        "Tus-Resumable: 1.0.0",
        *("Connection: close", "", ""),
    ]
    door = str(apart.base / "b" / "run-b" / "console-door.sock")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(door)
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 204 ")
    assert a.head(address).status == 404


def test_refused_at_the_other(apart: Apart) -> None:
    """A client of one replica gets the refusals of the replica that has the upload."""
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5)
    answer = b.patch(address, 3, b"45")
    assert answer.problem(409, "mismatching-upload-offset")
    assert answer.header("Upload-Offset") == "0"
    stranger = Tus(ApiClient(b.api.port, Signer(apart.running["a"]).token(tid=a.api.tenant)))
    assert stranger.patch(address, 0, b"12345").status in {403, 404}
    assert Tus(b.api).head(f"/v1/uploads/{'0' * 32}").status == 404


def test_without_a_length(apart: Apart) -> None:
    """A body without a length reaches an upload on the other replica, and gets 413 if too long."""
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5000)
    fields = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    refused = b.api.request("PATCH", address, iter([bytes(9000)]), fields)
    assert refused.problem(413, "too-large")["limit_bytes"] == 5000
    assert b.api.request("PATCH", address, iter([bytes(5000)]), fields).status == 204
    assert a.offset(address) == 5000


def test_parts_of_one_replica(apart: Apart) -> None:
    """A replica joins parts that are all on the other one, and refuses parts of both replicas."""
    a, b = (Tus(client) for client in apart.clients())
    part = {"Upload-Concat": "partial"}
    at_a = [a.create(2, b"ab", part), a.create(2, b"cd", part)]
    at_b = b.create(2, b"ef", part)
    first, second, third = (answer.header("Location") for answer in (*at_a, at_b))

    def final(*parts: str) -> Answer:
        fields = {**TUS, "Upload-Metadata": metadata(filename="tus.bin")}
        concat = {"Upload-Concat": f"final;{' '.join(parts)}"}
        return b.api.request("POST", "/v1/uploads", b"", {**fields, **concat})

    final(first, third).problem(409, "parts-apart")
    whole = final(first, second)
    assert whole.status == 201, whole.body
    assert b.api.file("tus.bin").body == b"abcd"


@pytest.mark.parametrize("target", ["/v1/files/default", "/u/{ticket}"])
def test_slices(apart: Apart, target: str) -> None:
    """Slices of one file that arrive at different replicas become one file."""
    a, b = apart.clients()
    content = os.urandom(300_000)
    rules = {"bucket": "default", "prefix": "in/"}
    ticket = Signer(apart.running["a"]).token(tid=a.tenant, scope="files:write", ticket=rules)
    target = target.format(ticket=ticket)
    sent = {"Content-Type": CONTENT_TYPE}
    answers = [
        (client.using(None) if ticket in target else client).request(
            "POST", target, slice_form_of("film.bin", content, "5f1c", index, {}), sent
        )
        for index, client in enumerate((b, a))
    ]
    assert [answer.status for answer in answers] == [202, 201], answers[-1].body
    (file,) = answers[-1].json()["files"]
    assert a.file(file["key"]).body == content
    assert a.used() == (len(content), 1)


def test_slices_at_the_same_moment(apart: Apart) -> None:
    """If the first slices of a file reach both replicas at the same moment, one file results."""
    a, b = apart.clients()
    before = apart.parts("a"), apart.parts("b")
    for number in range(3):
        content, name = os.urandom(300_000), f"film-{number}.bin"
        forms = [slice_form_of(name, content, name, index, {}) for index in range(2)]
        answers = at_once(partial(a.post_body, forms[0]), partial(b.post_body, forms[1]))
        assert statuses(answers) == [201, 202], [answer.body for answer in answers]
        assert b.file(name).body == content
    assert (apart.parts("a"), apart.parts("b")) == before


def test_no_loop(apart: Apart) -> None:
    """A gateway passes no request on that another gateway has passed on.

    Even a row with an unknown address causes no loop.
    """
    a, b = (Tus(client) for client in apart.clients())
    address = b.created(5)
    door = apart.settings["b"]["WHARF_REPLICA_ADDRESS"].rpartition(":")[2]
    with psycopg.connect(apart.database_url, autocommit=True) as connection:
        # This address also reaches the door of the second replica, but belongs to no replica.
        connection.execute(
            "UPDATE uploads SET replica = %s WHERE id = %s", (f"0.0.0.0:{door}", name_of(address))
        )
    for tus in (a, b):
        tus.patch(address, 0, b"12345").problem(503, "upload-apart")
        answer = tus.head(address)
        assert (answer.status, answer.header("Retry-After")) == (503, "5")


def test_address_of_the_client(apart: Apart) -> None:
    """Both replicas log the client's address when one replica passes on a request to the other.

    No header field of the client changes the address.
    """
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5)
    connection = http.client.HTTPConnection(
        "127.0.0.1", b.api.port, source_address=("127.0.0.9", 0)
    )
    fields = {**TUS, "Authorization": f"Bearer {b.api.token}", "X-Wharf-Address": "192.0.2.1"}
    connection.request("HEAD", address, headers={**fields, "X-Request-Id": "address-of-client"})
    assert connection.getresponse().status == 200
    connection.close()

    def logged(name: str) -> set[str]:
        lines = apart.running[name].log_lines("access")
        return {line["address"] for line in lines if line["request_id"] == "address-of-client"}

    assert until(lambda: logged("a") == {"127.0.0.9"}, _SECONDS)
    assert until(lambda: logged("b") == {"127.0.0.9"}, _SECONDS)


def test_door_shows_nothing_else(apart: Apart) -> None:
    """The door for replicas serves only uploads and forms: no file, no list, no metrics."""
    a, _ = apart.clients()
    a.stored("file", LARGE)
    door = ApiClient(int(apart.settings["a"]["WHARF_REPLICA_ADDRESS"].rpartition(":")[2]), a.token)
    for target in ("/v1/files/default/file", "/v1/uploads", "/metrics", "/auth/login", "/v1/usage"):
        assert door.get(target).status == 404, target
    assert door.put("other").status == 404


def swept_elsewhere(apart: Apart, folder: Path) -> None:
    """Run the sweeper of a worker that has neither a replica's disk nor an address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}
    own = {"WHARF_DATA": str(folder), "WHARF_REPLICA_ADDRESS": "", "WHARF_INSTANCE": "worker"}
    command = [str(Path(sys.executable).with_name("wharf-upload")), "sweep"]
    subprocess.run(command, env={**kept, **apart.settings["a"], **own}, check=True)


def test_owner_is_killed(apart: Apart, tmp_path: Path) -> None:
    """While the replica that has an upload is down, the other responds with 503 and Retry-After.

    A worker on another machine ends uploads that expired long ago. When the replica is back, the
    upload continues at its offset. In the end neither replica has any of the upload's bytes left.
    """
    a, b = (Tus(client) for client in apart.clients())
    content = os.urandom(3 << 20)
    address, expired = b.created(len(content)), b.created(7)
    assert a.patch(address, 0, content[: 1 << 20]).status == 204
    apart.running["b"].kill()
    answer = a.patch(address, 1 << 20, content[1 << 20 :])
    assert "waits for the replica" in answer.problem(503, "unavailable")["detail"]
    assert answer.header("Retry-After") == "5"
    assert a.head(address).status == 503
    with psycopg.connect(apart.database_url, autocommit=True) as connection:
        # The first upload has expired a moment ago, and its replica may have newer bytes. The
        # second upload has expired so long ago that its replica would have updated the row.
        for upload, seconds in ((address, 60), (expired, 3600)):
            connection.execute(
                "UPDATE uploads SET expires_at = %s WHERE id = %s",
                (int(1000 * (time.time() - seconds)), name_of(upload)),
            )
    assert a.head(expired).status == 404
    swept_elsewhere(apart, tmp_path)
    assert a.api.used() == (len(content), 1)
    apart.start("b")
    assert until(lambda: a.head(address).status == 200, _SECONDS)
    assert a.offset(address) == 1 << 20
    assert a.patch(address, 1 << 20, content[1 << 20 :]).status == 204
    assert b.api.file("tus.bin").body == content
    assert name_of(address) not in apart.parts("a") | apart.parts("b")
