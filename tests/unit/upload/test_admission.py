"""Tests of the admission of an upload before its body is read."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode
from typing import Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from servicekit import metrics, problem_pages
from servicekit.problems import ProblemError
from tests.servers.upload import BOUNDARY, UploadService
from wharf_upload.http.admission_token import Admitted

FORM = f"multipart/form-data; boundary={BOUNDARY}"


def ask(
    upload: UploadService,
    method: str = "PUT",
    path: str = "/v1/files/default/a.txt",
    length: int | str | None = 5,
    **headers: str,
) -> TestResponse:
    """Ask for admission as nginx does."""
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "" if length is None else str(length)}
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return upload.request(method, path, b"", fields, environ)


def denied(reply: TestResponse) -> tuple[int, str, dict[str, Any]]:
    """Return status, slug and members of a refusal."""
    assert reply.status_code == 403
    assert reply.data == b""
    problem = json.loads(reply.headers["X-Denied-Problem"])
    assert problem["status"] == int(reply.headers["X-Denied-Status"])
    return problem["status"], problem["type"].removeprefix("/problems/"), problem


def test_admitted(upload: UploadService) -> None:
    """An admission is 204 without a body, and carries an admission token."""
    reply = ask(upload)
    assert (reply.status_code, reply.data) == (204, b"")
    admitted = msgspec.json.decode(urlsafe_b64decode(reply.headers["X-Admission"]), type=Admitted)
    assert (admitted.principal.tenant, admitted.principal.subject) == (upload.tenant, "client-1")


def test_a_refusal_is_made_once(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is rendered once and counted once, even a refusal of the gateway's question."""
    rendered: list[str] = []
    counted: list[str] = []

    def render(error: ProblemError, *rest: Any) -> tuple[str, bytes]:
        rendered.append(error.problem.slug)
        return _render(error, *rest)

    _render = problem_pages.render
    monkeypatch.setattr(problem_pages, "render", render)
    monkeypatch.setattr(metrics, "refused", counted.append)
    assert ask(upload, path="/v1/files/default/a%00").headers["X-Denied-Status"] == "400"
    assert upload.request("PUT", "/v1/files/default/a%00", b"x").status_code == 400
    assert rendered == counted == ["invalid-key", "invalid-key"]


def test_expired_token_after_admission(upload: UploadService) -> None:
    """A body that was admitted is stored although its token has expired since."""
    admission = ask(upload).headers["X-Admission"]
    spooled = upload.settings.spool_folder / "1"
    spooled.write_bytes(b"hello")
    reply = upload.request(
        "PUT",
        "/v1/files/default/a.txt",
        headers={"Authorization": "Bearer expired"},
        environ={"SPOOL_FILE": str(spooled), "ADMISSION": admission},
    )
    assert reply.status_code == 201


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Authorization": ""}, 401, "token-missing"),
        ({"Authorization": "Bearer x.y.z"}, 401, "token-malformed"),
        ({"Content_Encoding": "gzip"}, 415, "content-encoding"),
        ({"Content_Range": "bytes 0-4/5"}, 400, "malformed-request"),
        ({"Content_Digest": "sha-256=:!:"}, 400, "invalid-digest"),
        ({"If_Match": "unquoted"}, 400, "malformed-request"),
        ({"If_Match": "*"}, 412, "precondition-failed"),
        ({"Idempotency_Key": "with blank"}, 400, "malformed-request"),
        ({"Idempotency_Key": "x" * 256}, 400, "malformed-request"),
    ],
)
def test_refused_by_a_field(
    upload: UploadService, headers: dict[str, str], status: int, slug: str
) -> None:
    """A header field that makes the upload impossible is refused before the body."""
    assert denied(ask(upload, **headers))[:2] == (status, slug)


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/v1/files/nowhere/a.txt", 404, "not-found"),
        ("/v1/files/UPPER/a.txt", 404, "not-found"),
        ("/v1/files/default/a//b", 400, "invalid-key"),
        ("/v1/files/default/..%2Fb", 400, "invalid-key"),
        ("/v1/files/default/%ff", 400, "invalid-key"),
        ("/v1/elsewhere", 404, "not-found"),
    ],
)
def test_refused_by_its_address(upload: UploadService, path: str, status: int, slug: str) -> None:
    """An address that cannot name a file is refused before the body."""
    assert denied(ask(upload, path=path))[:2] == (status, slug)


def test_encodings(upload: UploadService) -> None:
    """The content encoding `identity` is admitted, in any case."""
    assert ask(upload, Content_Encoding="Identity").status_code == 204


@pytest.mark.parametrize("length", ["-1", "1e3", "5, 5", "9" * 16, "\uff10"])
def test_odd_lengths(upload: UploadService, length: str) -> None:
    """A Content-Length that is not a plain number, or that has too many digits, is malformed."""
    assert denied(ask(upload, length=length))[:2] == (400, "malformed-request")


def test_limits(upload: UploadService) -> None:
    """A size above the bucket's limit gets 413 with the limit; an equal size is admitted."""
    body = json.dumps({"max_file_bytes": 100}).encode()
    json_type = {"Content-Type": "application/json"}
    assert upload.request("PUT", "/v1/buckets/small", body, json_type).status_code in {200, 201}
    assert ask(upload, path="/v1/files/small/a", length=100).status_code == 204
    status, slug, problem = denied(ask(upload, path="/v1/files/small/a", length=101))
    assert (status, slug, problem["limit_bytes"]) == (413, "too-large", 100)


def test_no_room(upload: UploadService) -> None:
    """A body that is larger than the free space gets 507 with the size of the body."""
    length = os.statvfs(upload.settings.data).f_bfree * os.statvfs("/").f_frsize * 2
    length = min(length, upload.settings.max_file_bytes)
    upload = upload.restarted(disk_reserve_bytes=1 << 60)
    status, slug, problem = denied(ask(upload, length=length))
    assert (status, slug) == (507, "storage-full")
    assert problem["needed_bytes"] == length


def test_first_look_at_conditions(upload: UploadService) -> None:
    """A failing precondition is refused before the body, unless there is an Idempotency-Key."""
    upload.put("a.txt", b"there")
    assert denied(ask(upload, If_None_Match="*"))[:2] == (412, "precondition-failed")
    assert ask(upload, If_None_Match="*", Idempotency_Key="k").status_code == 204


@pytest.mark.parametrize(
    ("content_type", "status", "slug"),
    [
        ("text/plain", 415, "unsupported-media-type"),
        ("multipart/mixed; boundary=x", 415, "unsupported-media-type"),
        ("multipart/form-data", 400, "malformed-form"),
    ],
)
def test_forms_type(upload: UploadService, content_type: str, status: int, slug: str) -> None:
    """A form without the type multipart/form-data and a boundary is refused before its body."""
    reply = ask(upload, "POST", "/v1/files/default", Content_Type=content_type)
    assert denied(reply)[:2] == (status, slug)


def test_form_that_no_files_could_fill(upload: UploadService) -> None:
    """A form gets 413 before its body if it is over 1 MiB larger than the largest allowed files of
    a form together.
    """
    upload = upload.restarted(max_file_bytes=1000)
    path = "/v1/files/default"
    longest = 1000 * upload.settings.max_form_files + (1 << 20)
    assert ask(upload, "POST", path, length=longest, Content_Type=FORM).status_code == 204
    reply = ask(upload, "POST", path, length=longest + 1, Content_Type=FORM)
    assert denied(reply)[:2] == (413, "too-large")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v1/files/default/a.txt"),
        ("POST", "/v1/files/default/a.txt"),
        ("PUT", "/v1/files/default"),
    ],
)
def test_methods(upload: UploadService, method: str, path: str) -> None:
    """A method that the address does not take gets 405 with the methods that it takes."""
    reply = ask(upload, method, path, Content_Type=FORM)
    assert denied(reply)[:2] == (405, "method-not-allowed")
    assert method not in reply.headers["X-Denied-Allow"].split(", ")


@pytest.mark.parametrize(
    ("path", "override", "status"),
    [
        ("/v1/uploads", "", None),
        ("/v1/uploads", "PATCH", "405"),
        ("/v1/uploads", "DELETE", "405"),
        ("/v1/uploads", "HEAD", None),
    ],
)
def test_a_method_that_is_meant(
    upload: UploadService, path: str, override: str, status: str | None
) -> None:
    """The admission uses the method in `X-HTTP-Method-Override`, if the request has one."""
    reply = ask(upload, "POST", path, Tus_Resumable="1.0.0", X_HTTP_Method_Override=override)
    assert reply.headers.get("X-Denied-Status") == status
