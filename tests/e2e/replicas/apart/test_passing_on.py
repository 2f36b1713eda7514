"""Without a shared folder an upload goes on at any replica: its gateway passes requests on."""

from __future__ import annotations

import http.client
import json
import os

import psycopg
import pytest

from tests.e2e.api_client import LARGE, Answer, ApiClient
from tests.e2e.raw_http import until
from tests.e2e.replicas.apart.conftest import Apart
from tests.e2e.resumable.tus_client import TUS, Tus, metadata
from tests.e2e.slice_forms import slice_form_of
from tests.e2e.tenants import Signer

_SECONDS = 60.0
_PARTIAL = {"Upload-Draft-Interop-Version": "8", "Content-Type": "application/partial-upload"}


def name_of(address: str) -> str:
    """The id of an upload."""
    return address.rpartition("/")[2]


def test_begun_at_one_and_ended_at_the_other(apart: Apart) -> None:
    """An upload whose connection broke at one replica goes on and ends at the other one."""
    a, b = (Tus(client) for client in apart.clients())
    content = os.urandom(6 << 20)
    address = a.created(len(content))
    a.cut(address, 0, len(content), content[: 2 << 20])
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
    """An upload in parts by a ticket in its address goes on at the other replica."""
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
    """The other replica lists an upload without its offset; one given up there leaves nothing."""
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5)
    assert [found["offset"] for found in a.api.get("/v1/uploads").json()["uploads"]] == [0]
    assert [found["offset"] for found in b.api.get("/v1/uploads").json()["uploads"]] == [None]
    assert b.delete(address).status == 204
    assert a.head(address).status == b.head(address).status == 404
    assert name_of(address) not in apart.parts("a")
    assert a.api.used() == (0, 0)


def test_refused_at_the_other(apart: Apart) -> None:
    """What the replica that has an upload refuses is refused to the client of the other one."""
    a, b = (Tus(client) for client in apart.clients())
    address = a.created(5)
    answer = b.patch(address, 3, b"45")
    assert answer.problem(409, "mismatching-upload-offset")
    assert answer.header("Upload-Offset") == "0"
    stranger = Tus(ApiClient(b.api.port, Signer(apart.running["a"]).token(tid=a.api.tenant)))
    assert stranger.patch(address, 0, b"12345").status in {403, 404}
    assert Tus(b.api).head(f"/v1/uploads/{'0' * 32}").status == 404


def test_parts_of_one_replica(apart: Apart) -> None:
    """A final upload is created at the other replica where all its parts are at one, and refused
    with words where they are at both.
    """
    a, b = (Tus(client) for client in apart.clients())
    partial = {"Upload-Concat": "partial"}
    at_a = [a.create(2, b"ab", partial), a.create(2, b"cd", partial)]
    at_b = b.create(2, b"ef", partial)
    first, second, third = (answer.header("Location") for answer in (*at_a, at_b))

    def final(*parts: str) -> Answer:
        fields = {**TUS, "Upload-Metadata": metadata(filename="tus.bin")}
        concat = {"Upload-Concat": f"final;{' '.join(parts)}"}
        return b.api.request("POST", "/v1/uploads", b"", {**fields, **concat})

    final(first, third).problem(409, "parts-apart")
    whole = final(first, second)
    assert whole.status == 201, whole.body
    assert b.api.file("tus.bin").body == b"abcd"


@pytest.mark.parametrize("first", ["a", "b"])
def test_slices(apart: Apart, first: str) -> None:
    """Forms with the slices of a file that come to both replicas become one file."""
    clients = apart.clients() if first == "a" else apart.clients()[::-1]
    content = os.urandom(300_000)
    answers = [
        client.post_body(slice_form_of("film.bin", content, "5f1c", index, {}))
        for index, client in enumerate(clients)
    ]
    assert [answer.status for answer in answers] == [202, 201], answers[-1].body
    assert clients[0].file("film.bin").body == content
    assert clients[0].used() == (len(content), 1)


def test_no_loop(apart: Apart) -> None:
    """A request that was passed on once goes nowhere else, whatever the rows say."""
    a, b = (Tus(client) for client in apart.clients())
    address = b.created(5)
    door = apart.settings["b"]["WHARF_REPLICA_ADDRESS"].rpartition(":")[2]
    with psycopg.connect(apart.database_url, autocommit=True) as connection:
        # The same door by another name, which is nobody's.
        connection.execute(
            "UPDATE uploads SET replica = %s WHERE id = %s", (f"0.0.0.0:{door}", name_of(address))
        )
    for tus in (a, b):
        tus.patch(address, 0, b"12345").problem(503, "upload-apart")
        answer = tus.head(address)
        assert (answer.status, answer.header("Retry-After")) == (503, "5")


def test_address_of_the_client(apart: Apart) -> None:
    """The replica that has the upload logs, and counts, the client's address, which nobody can
    choose by a header field.
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
    """Behind the door are uploads and forms alone: no file, no list, no metrics."""
    a, _ = apart.clients()
    a.stored("file", LARGE)
    door = ApiClient(int(apart.settings["a"]["WHARF_REPLICA_ADDRESS"].rpartition(":")[2]), a.token)
    for target in ("/v1/files/default/file", "/v1/uploads", "/metrics", "/auth/login", "/v1/usage"):
        assert door.get(target).status == 404, target
    assert door.put("other").status == 404


def test_owner_is_killed(apart: Apart) -> None:
    """While the replica that has an upload is gone the other one says 503 and when to ask again;
    when it is back the upload goes on where it was, and in the end neither has anything left.
    """
    a, b = (Tus(client) for client in apart.clients())
    content = os.urandom(3 << 20)
    address = b.created(len(content))
    assert a.patch(address, 0, content[: 1 << 20]).status == 204
    apart.running["b"].kill()
    answer = a.patch(address, 1 << 20, content[1 << 20 :])
    assert "waits for the replica" in answer.problem(503, "unavailable")["detail"]
    assert answer.header("Retry-After") == "5"
    assert a.head(address).status == 503
    assert json.loads(a.api.get("/v1/uploads").body)["uploads"][0]["offset"] is None
    apart.start("b")
    assert until(lambda: a.head(address).status == 200, _SECONDS)
    assert a.offset(address) == 1 << 20
    assert a.patch(address, 1 << 20, content[1 << 20 :]).status == 204
    assert b.api.file("tus.bin").body == content
    assert name_of(address) not in apart.parts("a") | apart.parts("b")
