"""Forms exactly as browsers, curl and HTTP libraries send them."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.traces import nothing_stored

# Bodies as recorded from the programs; the file name shows how each one encodes non-ASCII text.
NAME = "日本".encode()
CHROME = (
    b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
    b'Content-Disposition: form-data; name="title"\r\n\r\nholiday\r\n'
    b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
    b'Content-Disposition: form-data; name="files"; filename="' + NAME + b' %22a%22.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n"
    b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
    b'Content-Disposition: form-data; name="empty"; filename=""\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\r\n"
    b"------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
)
FIREFOX = (
    b"-----------------------------9051914041544843365972754266\r\n"
    b'Content-Disposition: form-data; name="file"; filename="' + NAME + b' %22a%22.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n"
    b"-----------------------------9051914041544843365972754266--\r\n"
)
SAFARI = CHROME.replace(b"WebKitFormBoundary7MA4YWxkTrZu0gW", b"WebKitFormBoundaryqwertyuiopasdfgh")
# fetch in Node.js: the body is like Chrome's, with a different boundary.
NODE_FETCH = (
    b"------formdata-undici-012345678901\r\n"
    b'Content-Disposition: form-data; name="file"; filename="' + NAME + b' %22a%22.txt"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nhello\r\n"
    b"------formdata-undici-012345678901--\r\n"
)
# requests and urllib3 write names that are not ASCII in the extended form.
REQUESTS = (
    b"--0123456789abcdef0123456789abcdef\r\n"
    b'Content-Disposition: form-data; name="file"; '
    b"filename*=utf-8''%E6%97%A5%E6%9C%AC%20%22a%22.txt\r\n\r\nhello\r\n"
    b"--0123456789abcdef0123456789abcdef--\r\n"
)
# curl writes a quotation mark with a backslash (before 7.81) or as browsers do.
OLD_CURL = (
    b"--------------------------d74496d66958873e\r\n"
    b'Content-Disposition: form-data; name="file"; filename="' + NAME + b' \\"a\\".txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n"
    b"--------------------------d74496d66958873e--\r\n"
)
# aiohttp percent-encodes the whole name, and writes the Content-Type field first.
AIOHTTP = (
    b"--f1b7d0a2c3e44f5a9b6c7d8e9fa0b1c2\r\n"
    b"Content-Type: application/octet-stream\r\n"
    b'Content-Disposition: form-data; name="file"; '
    b'filename="%E6%97%A5%E6%9C%AC%20%22a%22.txt"\r\n\r\nhello\r\n'
    b"--f1b7d0a2c3e44f5a9b6c7d8e9fa0b1c2--\r\n"
)
# Spring writes an encoded word (RFC 2047).
SPRING = (
    b"--HKGXqYvV1dq3VfTh5Jg4vmVb3n0sQF\r\n"
    b'Content-Disposition: form-data; name="file"; '
    b'filename="=?UTF-8?Q?=E6=97=A5=E6=9C=AC_=22a=22.txt?="\r\n'
    b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello\r\n"
    b"--HKGXqYvV1dq3VfTh5Jg4vmVb3n0sQF--\r\n"
)
# .NET writes both forms of the name: an encoded word in base64, and `filename*`.
DOT_NET = (
    b"--1f2e3d4c-5b6a-7980-9182-736455463728\r\n"
    b"Content-Type: text/plain\r\n"
    b"Content-Disposition: form-data; name=file; "
    b'filename="=?utf-8?B?5pel5pysICJhIi50eHQ=?="; '
    b"filename*=utf-8''%E6%97%A5%E6%9C%AC%20%22a%22.txt\r\n\r\nhello\r\n"
    b"--1f2e3d4c-5b6a-7980-9182-736455463728--\r\n"
)
OLD_DOT_NET = DOT_NET.replace(b"; filename*=utf-8''%E6%97%A5%E6%9C%AC%20%22a%22.txt", b"")
# JavaMail writes the platform's charset, here gb2312, which is a subset of the real charset.
JAVA_MAIL = SPRING.replace(
    b"=?UTF-8?Q?=E6=97=A5=E6=9C=AC_=22a=22.txt?=", b"=?gb2312?B?yNWxviAiYSIudHh0?="
)
# Go escapes quotation marks with backslashes.
GO = (
    b"--8f0d0a2c3e44f5a9b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e9f0a1\r\n"
    b'Content-Disposition: form-data; name="file"; filename="' + NAME + b' \\"a\\".txt"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nhello\r\n"
    b"--8f0d0a2c3e44f5a9b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e9f0a1--\r\n"
)
SENDERS = {
    "aiohttp": AIOHTTP,
    "spring": SPRING,
    "java-mail": JAVA_MAIL,
    "dot-net": DOT_NET,
    "old-dot-net": OLD_DOT_NET,
    "go": GO,
    "chrome": CHROME,
    "firefox": FIREFOX,
    "safari": SAFARI,
    "node-fetch": NODE_FETCH,
    "requests": REQUESTS,
    "old-curl": OLD_CURL,
}


@pytest.mark.parametrize("sender", SENDERS)
def test_bodies_of_known_senders(api: ApiClient, sender: str) -> None:
    """A form exactly as this program sends it stores its file under the file's real name."""
    body = SENDERS[sender]
    boundary = body.partition(b"\r\n")[0].removeprefix(b"--").decode()
    fields = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = api.post_body(body, fields)
    assert answer.status == 201, answer.body
    (file,) = answer.json()["files"]
    assert file["key"] == '日本 "a".txt'
    assert api.get(file["links"]["content"]).body == b"hello"


@pytest.mark.parametrize("word", ["=?no-such?B?a/bc?=", "=?utf-8?B?/w==?=", "=?utf-8?Q?a b?="])
def test_words_that_nobody_reads(wharf: Wharf, api: ApiClient, word: str) -> None:
    """A form with a name in encoded words that cannot be decoded is refused and stores nothing."""
    body = SPRING.replace(b"=?UTF-8?Q?=E6=97=A5=E6=9C=AC_=22a=22.txt?=", word.encode())
    boundary = body.partition(b"\r\n")[0].removeprefix(b"--").decode()
    fields = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with nothing_stored(wharf, api.tenant):
        problem = api.post_body(body, fields).problem(400, "malformed-form")
    assert "RFC 2047" in problem["detail"]


def curl(api: ApiClient, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Run curl with the token, and return the status and the body of the response."""
    command = ["curl", "-sS", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {api.token}"]
    ran = subprocess.run(
        [*command, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    body, _, status = ran.stdout.rpartition("\n")
    return int(status), body


def test_curl_forms(wharf: Wharf, api: ApiClient, tmp_path: Path) -> None:
    """`curl -F` works unchanged with several files, names in other scripts and form fields."""
    for name in ("a b.txt", "日本.txt", "empty"):
        (tmp_path / name).write_text("" if name == "empty" else name)
    forms = ("-F", "x=@a b.txt", "-F", "y=@日本.txt", "-F", "z=@empty;filename=renamed")
    target = f"{wharf.url}/v1/files/default"
    status, body = curl(api, *forms, "-F", "prefix=curl", target, cwd=tmp_path)
    assert status == 201, body
    keys = [file["key"] for file in json.loads(body)["files"]]
    assert keys == ["curl/a b.txt", "curl/日本.txt", "curl/renamed"]
    assert api.file("curl/%E6%97%A5%E6%9C%AC.txt").body.decode() == "日本.txt"


def test_curl_sends_a_stream_as_a_form(wharf: Wharf, api: ApiClient, tmp_path: Path) -> None:
    """`curl -F file=@-` from a pipe, sent in chunks, is stored under the given name."""
    form = "-F 'file=@-;filename=piped'"
    script = f"""head -c 2000000 /dev/zero | curl -sS {form} -H 'Transfer-Encoding: chunked' \
        -H "Authorization: Bearer {api.token}" {wharf.url}/v1/files/default"""
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout)["files"][0]["size"] == 2_000_000


def test_curl_sees_a_refusal(wharf: Wharf, api: ApiClient, tmp_path: Path) -> None:
    """curl reads the refusal of a large upload instead of seeing a broken connection."""
    (tmp_path / "large").write_bytes(b"x" * 5_000_000)
    other = api.using("not.a.token")
    for arguments in (
        ("-F", "file=@large", f"{wharf.url}/v1/files/default"),
        ("-T", "large", f"{wharf.url}/v1/files/default/large"),
        ("-H", "Expect:", "-T", "large", f"{wharf.url}/v1/files/default/large"),
    ):
        status, body = curl(other, *arguments, cwd=tmp_path)
        assert status == 401
        assert json.loads(body)["type"] == "/problems/token-malformed"


@pytest.mark.parametrize("agent", [{}, {"User-Agent": "somebody's program"}])
@pytest.mark.parametrize("name", ["my file.txt", "100%20.txt", "日本 (1).txt"])
def test_aiohttp_as_it_is(wharf: Wharf, api: ApiClient, name: str, agent: dict[str, str]) -> None:
    """A file from aiohttp gets the name that the program gave, under any `User-Agent`."""

    async def send() -> Any:
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(b"x"), filename=name)
        headers = {"Authorization": f"Bearer {api.token}", **agent}
        target = f"{wharf.url}/v1/files/default"
        async with (
            aiohttp.ClientSession() as session,
            session.post(target, data=form, headers=headers) as answer,
        ):
            return await answer.json()

    assert asyncio.run(send())["files"][0]["key"] == name


def test_a_library_as_it_is(wharf: Wharf, api: ApiClient) -> None:
    """The library requests uploads files with names in other scripts, without extra settings."""
    import requests

    answer = requests.post(
        f"{wharf.url}/v1/files/default",
        headers={"Authorization": f"Bearer {api.token}"},
        files=[("file", ("日本.txt", b"one")), ("file", ("b.txt", b"two", "text/plain"))],
        data={"prefix": "requests/"},
        timeout=60,
    )
    keys = [file["key"] for file in answer.json()["files"]]
    assert keys == ["requests/日本.txt", "requests/b.txt"]
