"""Logs: JSON lines with the request id, and without any credential.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import RawAnswer, exchange, head, until
from tests.servers.wharf.tenants import Tenants


def logged(wharf: Wharf, ids: Iterable[str]) -> bool:
    """Tell whether the gateway writes the log lines of these requests; it writes lines
    each second.
    """
    return all(until(lambda wanted=one: wanted in wharf.log("access")) for one in ids)


def lines_of(wharf: Wharf, name: str, request_id: str, count: int = 1) -> list[dict[str, Any]]:
    """Return the log lines of one request, once the log has `count` of them.

    Services buffer lines for a moment. Two processes may write the lines of an admission and of its
    upload in any order.
    """

    def found() -> list[dict[str, Any]]:
        return [line for line in wharf.log_lines(name) if line.get("request_id") == request_id]

    assert until(lambda: len(found()) >= count), found()
    return sorted(found(), key=lambda line: line.get("outcome") != "admitted")


@pytest.mark.parametrize("name", ["access", "upload", "auth"])
def test_lines_are_json(wharf: Wharf, api: ApiClient, name: str) -> None:
    """Every log line of a request is one JSON object with time, service and request id."""
    targets = ("/v1/usage", "/auth/v1/tenants", "/v1/files/default/absent", "/nowhere")
    assert logged(wharf, [api.get(target).header("X-Request-Id") for target in targets])
    lines = wharf.log_lines(name)
    assert lines
    for line in lines:
        assert {"time", "service"} <= set(line)
        if "status" in line:
            assert line["request_id"]
    # The other lines are from uWSGI's startup, and contain no part of a request's line.
    for text in wharf.log(name).splitlines():
        if not text.startswith("{"):
            assert '"request_id"' not in text


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["in-memory", "spooled"])
def test_a_request_can_be_followed(wharf: Wharf, api: ApiClient, content: bytes) -> None:
    """The request id of a response is in the lines of gateway and service, with tenant and path."""
    answer = api.put("logged", content)
    request_id = answer.header("X-Request-Id")
    assert logged(wharf, [request_id])
    (gateway,) = lines_of(wharf, "access", request_id)
    assert (gateway["method"], gateway["status"]) == ("PUT", 201)
    assert gateway["path"] == "/v1/files/default/logged"
    outcomes = ["stored"] if content == SMALL else ["admitted", "stored"]
    service = lines_of(wharf, "upload", request_id, len(outcomes))
    assert [line["outcome"] for line in service] == outcomes
    for line in service:
        assert line["tenant"] == api.tenant
        assert line["subject"]
        assert line["method"] == "PUT"
        assert line["milliseconds"] >= 0


def test_refusals_say_which(wharf: Wharf, api: ApiClient) -> None:
    """The log line of a refused request has the slug of the problem as its outcome."""
    answers = [
        (api.using("bad").put("x", SMALL), 1),
        (api.using("bad").put("x", LARGE), 1),
        (api.file("absent"), 1),
        (api.get("/v1/buckets/absent"), 1),
        # Wharf admits this request by its header fields, and refuses it for its body.
        (api.post(), 2),
    ]
    for answer, count in answers:
        lines = lines_of(wharf, "upload", answer.header("X-Request-Id"), count)
        assert lines[-1]["outcome"] == answer.slug


def test_no_credential_is_logged(wharf: Wharf, api: ApiClient, tenants: Tenants) -> None:
    """Rows 3, 63: no token, secret or private key is in any log or metric."""
    secret_text = "s3cr3t-that-nobody-may-read-0123456789"
    anyone = api.using(None)
    token = api.token or ""
    answers: list[Answer | RawAnswer] = []
    for target in (
        f"/v1/files/default/x?access_token={token}",
        f"/v1/usage?access_token={token}&x=1",
        f"/nowhere?token={token}",
        f"/s/{token}",
        f"/u/{token}",
        f"/auth/oauth/token?client_secret={secret_text}",
    ):
        answers += [anyone.get(target), anyone.request("PUT", target, LARGE)]
    answers += [
        anyone.login("wharf-demo", secret_text),
        anyone.login(secret_text, "x"),
        api.put("x", SMALL, {"Cookie": f"session={secret_text}", "X-Api-Key": secret_text}),
        api.using(f"{token}x").get("/v1/usage"),
    ]
    answers += [
        api.put("x", content, {"Traceparent": token, "Tracestate": f"x={token}"})
        for content in (SMALL, LARGE)
    ]
    referrer = head("GET /healthz HTTP/1.1", f"Referer: http://x/?t={token}", "Connection: close")
    answers += exchange(wharf.port, referrer)
    # nginx logs the addresses of requests that it refuses itself in another way.
    for broken in (f"/u/{token}%zz", f"/%00?access_token={token}", f"/{token * 20}"):
        answers += exchange(wharf.port, head(f"GET {broken} HTTP/1.1", "Connection: close"))
    assert logged(wharf, [str(answer.headers["X-Request-Id"]) for answer in answers])
    found = {
        secret_text,
        token.rpartition(".")[2],
        wharf.credentials("demo")["client_secret"],
        wharf.credentials("admin")["client_secret"],
        (tenants.admin.token or "").rpartition(".")[2],
        "PRIVATE KEY",
    }
    folders = (wharf.data / "run", *(wharf.data / "run").glob("metrics-*"))
    written = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    assert {"requests.tsv", "nginx.prom"} <= {path.name for path in written}
    texts = {}
    for path in (*sorted((wharf.data / "log").iterdir()), *written):
        with suppress(FileNotFoundError):  # another process has replaced this file with a new one
            texts[path.name] = path.read_text(encoding="utf-8", errors="replace")
    for name, text in texts.items():
        for secret in found:
            assert secret not in text, (name, secret[:12])
    assert "PRIVATE KEY" not in wharf.output.read_text()


def test_each_path_is_logged(wharf: Wharf, api: ApiClient) -> None:
    """The log has a path with many escaped spaces as sent, or the beginning of a long path.

    An earlier regular expression needed time quadratic in the path's
    length, and gave up after 150 ms of nginx's time for each such request.
    The log then had an empty path, and the error log the whole request.
    """
    run = "a" * 9000
    paths = (f"/%20{run}%20x", "/a%20" * 1500, "/v1/metadata/default/a%20b")
    for path in paths:
        request_id = api.using(None).get(f"{path}?x=1").header("X-Request-Id")
        assert logged(wharf, [request_id])
        (line,) = lines_of(wharf, "access", request_id)
        assert line["path"] == (path if len(path) <= 2000 else f"{path[:2000]}…")
    printed = [log.read_text(errors="replace") for log in (wharf.data / "log").iterdir()]
    for text in (*printed, wharf.output.read_text()):
        assert "pcre2_match" not in text
        assert "pcre_exec" not in text


def test_no_process_shows_a_secret(wharf: Wharf) -> None:
    """Row 63: no process has a secret in its command line or its environment."""
    secrets = [wharf.credentials(name)["client_secret"].encode() for name in ("demo", "admin")]
    processes = [*wharf.processes(), wharf.process.pid]
    assert len(processes) >= 6
    for pid in processes:
        for kind in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{kind}", "rb") as file:
                text = file.read()
            assert not any(secret in text for secret in secrets)
            assert b"PRIVATE KEY" not in text


def test_names_stay_in_their_line(wharf: Wharf, api: ApiClient) -> None:
    """Row 76: line breaks and terminal commands in names and fields stay inside their JSON line."""
    evil = "%0a%7b%22forged%22:1%7d%1b%5b31m"
    answers = [
        *(api.put(f"evil{evil}", content) for content in (SMALL, LARGE)),
        api.post(file_part('x\r\n{"forged":1}\x1b[31m')),
        api.get("/v1/usage", {"User-Agent": 'x\x1b[31m"\\'}),
    ]
    assert logged(wharf, [answer.header("X-Request-Id") for answer in answers])
    for name in ("access", "upload"):
        text = wharf.log(name)
        assert "\x1b" not in text
        for line in text.splitlines():
            if line.startswith("{"):
                assert "forged" not in json.loads(line)


def test_the_printed_lines_hold_no_secret(wharf: Wharf) -> None:
    """`make run` prints no credential, and only its user can read the credentials file."""
    printed = wharf.output.read_text(encoding="utf-8")
    for name in ("demo", "admin"):
        assert wharf.credentials(name)["client_secret"] not in printed
    mode = subprocess.run(
        ["stat", "-c", "%a", wharf.data / "credentials.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert mode.stdout.strip() == "600"
