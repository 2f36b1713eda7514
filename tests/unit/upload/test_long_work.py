"""Tests of which spooled bodies are handed over as long work, and how they are processed."""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from werkzeug.test import TestResponse

from servicekit.tracing import Tracing
from servicekit.uwsgi_protocol import packet_of
from tests.servers.receiver import Answer, ReceiverClient, answer_of, receiving
from tests.servers.upload import BOUNDARY, UploadService, form_body
from tests.servers.wharf.raw_http import until
from wharf_upload.domain.long_work import BRIEF_BYTES, BRIEF_FILES, BRIEF_PARTS
from wharf_upload.http.claimed_tenant import claimed_tenant
from wharf_upload.http.long_work import LongWork
from wharf_upload.streaming.server import ResumableServer
from wharf_upload.uploads.receive_file import FileReceiver

LONG = b"x" * BRIEF_BYTES
BRIEF = b"x" * (BRIEF_BYTES - 1)
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
_numbers = itertools.count()


class Spooled:
    """A body that was admitted and spooled by the gateway."""

    def __init__(
        self,
        service: UploadService,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        announce: bool = True,
    ) -> None:
        self.service, self.method, self.path = service, method, path
        token = service.issuer.token(tid=service.tenant)
        self.headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        length = str(len(body)) if announce else ""
        environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": length}
        reply = service.request(method, path, b"", self.headers, environ)
        assert reply.status_code == 204, reply.headers
        self.file = service.settings.spool_folder / f"{next(_numbers):010}"
        self.file.write_bytes(body)
        self.environ = {"SPOOL_FILE": str(self.file), "ADMISSION": reply.headers["X-Admission"]}

    def ask(self, **environ: str) -> TestResponse:
        """Return the response of a request thread, with a gateway that can hand over."""
        environ = {"WHARF_HAND_OVER": "1", **self.environ, **environ}
        return self.service.request(self.method, self.path, b"", self.headers, environ)

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that the gateway sends to the stream server with the request."""
        fields = {
            f"HTTP_{name.upper().replace('-', '_')}": text for name, text in self.headers.items()
        }
        return {
            "REQUEST_METHOD": self.method,
            "REQUEST_URI": self.path,
            "QUERY_STRING": "",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            **fields,
            **self.environ,
        }


def put(service: UploadService, key: str, body: bytes, **others: Any) -> Spooled:
    """Return a spooled `PUT`."""
    return Spooled(service, "PUT", f"/v1/files/default/{key}", body, **others)


def form(
    service: UploadService,
    *names: str,
    content: bytes = b"content",
    fields: Mapping[str, str] | None = None,
) -> Spooled:
    """Return a spooled form of files with equal content."""
    body = form_body([(name, content) for name in names], fields)
    return Spooled(service, "POST", "/v1/files/default", body, FORM)


def handed_over(reply: TestResponse) -> bool:
    """Return whether the response tells the gateway to hand the request over."""
    return reply.headers.get("X-Accel-Redirect") == "@finish"


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield a client of the service's stream server."""
    with receiving(upload) as found:
        yield found


def finished(receiver: ReceiverClient, spooled: Spooled) -> Answer:
    """Return the stream server's response to the handed-over request."""
    return answer_of(receiver.send(packet_of(spooled.variables)))


@pytest.mark.parametrize(("body", "expected"), [(LONG, True), (BRIEF, False)])
def test_large_files_are_handed_over(upload: UploadService, body: bytes, *, expected: bool) -> None:
    """A file that takes long to hash is handed over untouched; any other is stored directly."""
    reply = put(upload, "a", body).ask()
    assert handed_over(reply) is expected
    assert (upload.content("a") is None) is expected
    assert len(upload.blobs()) == (not expected)


def test_a_gateway_that_cannot_hand_over(upload: UploadService) -> None:
    """A large body is stored directly if the gateway is of an earlier release."""
    assert put(upload, "a", LONG).ask(WHARF_HAND_OVER="").status_code == 201


def test_all_spooled_files_for_an_object_store_are_handed_over(upload: UploadService) -> None:
    """Every spooled file for an object store is handed over, because the store may be slow."""
    url = "s3://bucket?endpoint=http://127.0.0.1:9&region=us-east-1&style=path"
    keys = upload.settings.data / "keys"
    keys.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    service = upload.restarted(blob_url=url, blob_key_file=str(keys))
    assert handed_over(put(service, "a", b"small").ask())


def test_forms_of_many_files_are_handed_over(upload: UploadService) -> None:
    """A form of many files is handed over before any file is stored, because each file needs an
    fsync.
    """
    names = [f"{number}.txt" for number in range(BRIEF_FILES + 1)]
    assert handed_over(form(upload, *names).ask())
    assert not upload.blobs()
    assert not list((upload.settings.data / "staging").iterdir())
    assert form(upload, *names[1:]).ask().status_code == 201


def test_forms_of_many_fields_are_handed_over(upload: UploadService) -> None:
    """A form of many fields is handed over, because their headers are parsed in Python."""
    names = [f"field-{number}" for number in range(BRIEF_PARTS)]
    assert handed_over(form(upload, "a", fields=dict.fromkeys(names, "x")).ask())
    assert form(upload, "a", fields=dict.fromkeys(names[1:], "x")).ask().status_code == 201


def test_slices_of_large_files_are_handed_over(upload: UploadService) -> None:
    """A slice of a large file is handed over, because the last slice hashes the whole file."""

    def first_half(total: int) -> TestResponse:
        fields = {
            "dzuuid": f"of-{total}",
            "dzchunkindex": "0",
            "dztotalchunkcount": "2",
            "dzchunksize": str(total // 2),
            "dztotalfilesize": str(total),
            "dzchunkbyteoffset": "0",
        }
        return form(upload, "a.bin", content=b"x" * (total // 2), fields=fields).ask()

    assert handed_over(first_half(BRIEF_BYTES))
    assert first_half(BRIEF_BYTES - 2).status_code == 202


@pytest.mark.parametrize("right", [True, False])
def test_handed_over_is_charged_once(
    upload: UploadService, receiver: ReceiverClient, *, right: bool
) -> None:
    """A handed-over body without a length is charged once, with a right or a wrong digest."""
    digest = hashlib.sha512(LONG).digest() if right else bytes(64)
    headers = {"Repr-Digest": f"sha-512=:{base64.b64encode(digest).decode()}:"}
    counted: list[int] = []
    limits = upload.context.access.limits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "count_bytes", lambda _, size: counted.append(size))
        spooled = put(upload, "a", LONG, headers=headers, announce=False)
        assert handed_over(spooled.ask())
        assert not counted
        answer = finished(receiver, spooled)
    assert (answer.status, answer.slug) == ((201, "") if right else (400, "digest-mismatch"))
    assert counted == [len(LONG)]


def test_a_body_that_was_not_admitted(upload: UploadService, receiver: ReceiverClient) -> None:
    """The stream server refuses a spooled body without an admission."""
    spooled = put(upload, "a", LONG)
    spooled.environ["ADMISSION"] = ""
    assert finished(receiver, spooled).status == 401
    assert not upload.blobs()


def test_a_long_answer(upload: UploadService, receiver: ReceiverClient) -> None:
    """A long response arrives completely, even if the socket does not take it in one write."""
    names = [f"{number}-{'n' * 150}.txt" for number in range(100)]
    spooled = form(upload, *names, fields={"meta." + "k" * 10: "v" * 6000})
    answer = finished(receiver, spooled)
    assert answer.status == 201, answer.body
    assert len(answer.body) == int(answer.headers["Content-Length"])


def test_one_tenants_long_work_keeps_no_other_waiting(
    upload: UploadService, receiver: ReceiverClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tenant's long work takes half of the threads at most, and other work continues."""
    go, begun = threading.Event(), []
    receive = FileReceiver.receive_spooled

    def held(self: FileReceiver, caller: Any, intent: Any, path: str) -> Any:
        if caller.tenant == upload.tenant:
            begun.append(path)
            assert go.wait(60)
        return receive(self, caller, intent, path)

    monkeypatch.setattr(FileReceiver, "receive_spooled", held)
    other = UploadService(
        upload.app,
        upload.settings,
        upload.store,
        upload.records,
        upload.database,
        upload.issuer,
        tenant="other",
    )
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(receiver.send(packet_of(put(upload, f"{number}", b"x").variables)))
            for number in range(20)
        ]
        assert until(lambda: len(begun) == 2)
        assert finished(receiver, put(other, "a", LONG)).status == 201
        # Short requests have separate threads.
        address = receiver.create(3)
        assert receiver.patch(address, 0, b"abc").status == 204
        assert len(begun) == 2
        go.set()
        assert [answer_of(one).status for one in waiting] == [201] * 20


def test_the_end_of_a_large_resumable_upload_waits_for_its_turn(
    upload: UploadService, receiver: ReceiverClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completing a large upload is long work, and a small one completes in the meantime."""
    go, names = threading.Event(), []
    completer = upload.context.resumable_uploads.appender._completer
    complete = completer.complete

    def held(principal: Any, found: Any, part: Any) -> Any:
        names.append(threading.current_thread().name)
        if found.length == len(LONG):
            assert go.wait(60)
        return complete(principal, found, part)

    monkeypatch.setattr(completer, "complete", held)
    waiting = []
    with ExitStack() as stack:
        for _ in range(4):
            address = receiver.create(len(LONG))
            connection = stack.enter_context(receiver.begin(address, 0, len(LONG)))
            connection.sendall(LONG)
            waiting.append(connection)
        assert until(lambda: len(names) == 2)
        assert receiver.patch(receiver.create(3), 0, b"abc").status == 204
        assert sorted(names[:2]) == ["long-work-0", "long-work-1"]
        assert len(names) == 3
        go.set()
        assert [answer_of(one).status for one in waiting] == [204] * 4


def test_whose_turn_it_is(upload: UploadService) -> None:
    """A request counts for the tenant of its admission, else for the tenant in its token."""
    token = upload.issuer.token(tid="acme")
    admitted = put(upload, "a", b"x").environ["ADMISSION"]
    assert claimed_tenant({"HTTP_AUTHORIZATION": f"Bearer {token}"}) == "acme"
    assert claimed_tenant({"REQUEST_URI": f"/u/{token}/uploads/1?a=b"}) == "acme"
    assert (
        claimed_tenant({"ADMISSION": admitted, "HTTP_AUTHORIZATION": f"Bearer {token}"}) == "demo"
    )


@pytest.mark.parametrize(
    "payload", [b"", b"no json", b"[]", b"\xff", b'{"tid": 1}', b"[" * 8000, b'{"tid": null}']
)
def test_a_token_that_is_none_has_nobodys_turn(payload: bytes) -> None:
    """A malformed token counts for no tenant, and raises no error."""
    token = base64.urlsafe_b64encode(payload).decode()
    for credential in (
        f"Bearer a.{token}.c",
        f"Bearer a.{token}=!.c",
        "Bearer",
        "",
        "Bearer é.é.é",
    ):
        assert not claimed_tenant({"HTTP_AUTHORIZATION": credential})


class Spans:
    """A tracer that records when a span begins and ends, and when work in the span runs."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def begin(self, environ: Mapping[str, Any]) -> Any:
        self.seen.append(f"begin {environ['REQUEST_METHOD']}")
        return SimpleNamespace(span=SimpleNamespace(end=lambda: self.seen.append("end")))

    @contextmanager
    def working_on(self, _: Any) -> Iterator[None]:
        self.seen.append("work")
        yield
        self.seen.append("rest")


def test_a_span_lasts_until_the_work_is_done(upload: UploadService, tmp_path: Path) -> None:
    """A handed-over request is one span of the stream server, with its wait and its work."""
    spans = Spans()
    server = ResumableServer(
        upload.app.resumable_routes,
        upload.app.gateway_routes,
        upload.app.answering,
        upload.context.resumable_uploads.holds,
        tmp_path / "r.sock",
        cast(Tracing, spans),
    )
    found = server._handle(put(upload, "a", LONG).variables)
    assert isinstance(found, LongWork)
    assert spans.seen == ["begin PUT", "work", "rest"]
    assert found.tenant == upload.tenant
    assert found.run().status == 201
    assert spans.seen == ["begin PUT", "work", "rest", "work", "rest", "end"]
    server.stop()
    server.run()  # Closes the files that the work has opened.
