"""Names and keys (security.md rows 19 to 28, 38) in small and spooled uploads, and in forms."""

# ruff: noqa: RUF001 -- letters of other scripts are what this is about.

from __future__ import annotations

import base64
import re
from urllib.parse import quote

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import Part, field_part, file_part
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

WAYS = [pytest.param(SMALL, id="in-memory"), pytest.param(LARGE, id="spooled")]

TRAVERSALS = [
    "../x",
    "a/../../x",
    "a/..",
    "./x",
    "a/./x",
    "a//x",
    "/x",
    "/etc/passwd",
    "x/",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "..%2fx",
    "a%2f..%2f..%2fx",
    "..%5cx",
    "a%5c..%5cx",
    "%c0%ae%c0%ae/x",
    "%c0%ae%c0%ae%c0%afx",
    "%e0%80%af/x",
    "%ed%a0%80",
    "%ff%fe",
    "%80",
]
CONTROLS = ["%00", "%0d", "%0a", "%09", "%1b", "%7f", "%c2%85", "%e2%80%a8"]
INVISIBLE = [
    "\u202e",
    "\u2066",
    "\u200f",
    "\u061c",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\U000e0041",
]
# Each name contains an invisible character that its script or emoji needs.
WRITTEN = ["می\u200cخواهم.txt", "ශ්\u200dරී.txt", "👨\u200d👩\u200d👧.jpg", "🏳\ufe0f\u200d🌈.png"]


def put_raw(wharf: Wharf, api: ApiClient, key: str, content: bytes) -> tuple[int, str]:
    """Send a PUT with the key exactly as written, and return the status and the problem's slug."""
    bearer = f"Authorization: Bearer {api.token}"
    fields = (bearer, f"Content-Length: {len(content)}", "Connection: close")
    request = head(f"PUT /v1/files/default/{key} HTTP/1.1", *fields) + content
    (answer,) = exchange(wharf.port, request)
    return answer.status, answer.slug


@pytest.mark.parametrize("content", WAYS)
@pytest.mark.parametrize("key", TRAVERSALS)
def test_traversals_are_refused(wharf: Wharf, api: ApiClient, key: str, content: bytes) -> None:
    """Row 19: a key with `..`, an empty segment, a dot segment or invalid UTF-8 is refused."""
    with nothing_stored(wharf, api.tenant):
        status, slug = put_raw(wharf, api, key, content)
        assert status in (400, 404)
        assert slug in ("invalid-key", "not-found", "malformed-request")


def test_an_address_that_climbs_out_is_not_found(wharf: Wharf, api: ApiClient) -> None:
    """Row 19: an address whose dots lead out of /v1/files/ reaches no other route."""
    with nothing_stored(wharf, api.tenant):
        for key in (
            "../../../etc/passwd",
            "../other/x",
            "../../buckets/evil",
            "..%2f..%2fbuckets/e",
        ):
            status, _ = put_raw(wharf, api, key, SMALL)
            assert 400 <= status < 500
    assert api.get("/v1/buckets/evil").status == 404


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../x.txt", "x.txt"),
        ("..\\x.txt", "x.txt"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\x.txt", "x.txt"),
        ("a/b/../c.txt", "c.txt"),
        ("%2e%2e%2fx", "%2e%2e%2fx"),
    ],
)
def test_file_names_lose_their_folders(api: ApiClient, name: str, kept: str) -> None:
    """Row 19: only the last part of a path in a form's file name becomes the key."""
    answer = api.post(
        Part(f'Content-Disposition: form-data; name="f"; filename="{name}"'.encode(), b"x")
    )
    assert answer.status == 201, answer.body
    assert [file["key"] for file in answer.json()["files"]] == [kept]


@pytest.mark.parametrize("name", ["..", ".", "a/..", "x/", "\\"])
def test_file_names_that_are_no_names(wharf: Wharf, api: ApiClient, name: str) -> None:
    """Row 19: a form's file name whose last part is empty or dots gets a 400."""
    with nothing_stored(wharf, api.tenant):
        api.post(file_part(name)).problem(400, "invalid-key")


@pytest.mark.parametrize("content", WAYS)
@pytest.mark.parametrize("control", CONTROLS)
def test_control_characters_are_refused(
    wharf: Wharf, api: ApiClient, control: str, content: bytes
) -> None:
    """Row 20: NUL, CR, LF and every other control character in a key gets a 400."""
    with nothing_stored(wharf, api.tenant):
        status, slug = put_raw(wharf, api, f"a{control}b.txt", content)
        # The gateway itself refuses NUL in an address.
        assert (status, slug) == (400, "malformed-request" if control == "%00" else "invalid-key")


@pytest.mark.parametrize("raw", [b"a\0b.txt", b"a\x1bb.txt", b"a%0Ab.txt", b"a%0Db.txt", b"a\x7fb"])
def test_control_characters_in_forms(wharf: Wharf, api: ApiClient, raw: bytes) -> None:
    """Row 20: control characters in a form's file name, raw or encoded, get a 400."""
    with nothing_stored(wharf, api.tenant):
        part = Part(b'Content-Disposition: form-data; name="f"; filename="%b"' % raw, b"x")
        assert api.post(part).status == 400


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_invisible_characters_are_refused(wharf: Wharf, api: ApiClient, character: str) -> None:
    """Row 21: bidi overrides and zero-width characters in keys, names and prefixes get a 400."""
    name = f"invoice{character}gpj.exe"
    with nothing_stored(wharf, api.tenant):
        for content in (SMALL, LARGE):
            api.put(quote(name), content).problem(400, "invalid-key")
        api.post(file_part(name)).problem(400, "invalid-key")
        extended = f"filename*=UTF-8''{quote(name)}"
        part = Part(f'Content-Disposition: form-data; name="f"; {extended}'.encode(), b"x")
        api.post(part).problem(400, "invalid-key")


@pytest.mark.parametrize("name", WRITTEN)
def test_joiners_that_belong_to_a_name(api: ApiClient, name: str) -> None:
    """Row 21: a joiner between letters or emoji is kept in uploads, downloads and listings."""
    for content in (SMALL, LARGE):
        assert api.stored(quote(name), content)["key"] == name
    assert api.file(quote(name)).body == LARGE
    answer = api.post(file_part(name), file_part(f"folder/{name}"))
    keys = [file["key"] for file in answer.json()["files"]]
    assert all(name.partition(".")[0] in key for key in keys)
    shown = api.file(f"{quote(name)}?download=").header("Content-Disposition")
    assert quote(name) in shown
    joiner = next(index for index, char in enumerate(name) if char in "\u200c\u200d")
    listed = api.get(f"/v1/files/default?prefix={quote(name[: joiner + 1])}").json()["files"]
    assert name in [file["key"] for file in listed]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("\u200ereport.pdf", "report.pdf"), ("Donau\xaddampf.txt", "Donaudampf.txt")],
)
def test_marks_that_programs_put_into_names(
    wharf: Wharf, api: ApiClient, sent: str, kept: str
) -> None:
    """Row 21: file names lose leading marks and soft hyphens; a key with these is refused."""
    assert api.post(file_part(sent)).json()["files"][0]["key"] == kept
    renamed = api.send_json("PATCH", f"/v1/metadata/default/{kept}", {"filename": f"\u200f{sent}"})
    assert renamed.json()["filename"] == kept
    with nothing_stored(wharf, api.tenant):
        api.put(quote(sent), SMALL).problem(400, "invalid-key")


def test_a_refusal_names_file_and_character(api: ApiClient, signer: Signer) -> None:
    """Row 21: every kind of upload gets a refusal with the name, the character and its position."""
    name, shown = "ab\u202egpj.exe", "ab<U+202E>gpj.exe"
    api.stored("there")
    encoded = base64.b64encode(name.encode()).decode()
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    rules = {"bucket": "default", "prefix": ""}
    ticket = signer.token(tid=api.tenant, scope="files:write", ticket=rules)
    answers = [
        api.put(quote(name), SMALL),
        api.put(quote(name), LARGE),
        api.post(file_part("good.txt"), file_part(name)),
        api.post(file_part("good.txt"), field_part("prefix", name)),
        *(
            api.request("POST", "/v1/uploads", headers={**tus, "Upload-Metadata": f"{n} {encoded}"})
            for n in ("filename", "key")
        ),
        api.using(None).request("PUT", f"/u/{ticket}/{quote(name)}", SMALL),
        api.send_json("PATCH", "/v1/metadata/default/there", {"key": name}),
        api.send_json("PATCH", "/v1/metadata/default/there", {"filename": name}),
        api.get(f"/v1/files/default?prefix={quote(name)}"),
    ]
    for answer in answers:
        problem = answer.problem(400, "invalid-key")
        assert problem["character"] == "U+202E"
        assert problem["position"] == 3
        assert problem["name"] == shown
        assert f'"{shown}" holds U+202E RIGHT-TO-LEFT OVERRIDE at position 3' in problem["detail"]


def test_twins_do_not_overwrite_each_other(api: ApiClient) -> None:
    """Row 22: forms keep names apart that differ only in normal form or in a ligature."""
    nfc, nfd = "caf\u00e9.txt", "cafe\u0301.txt"
    for name in (nfc, nfd, nfc):
        assert api.post(file_part(name, name.encode())).status == 201
    assert api.listed() == ["caf\u00e9 (2).txt", "caf\u00e9 (3).txt", nfc]
    for name in ("\ufb01le", "file"):
        api.stored(quote(name), name.encode())
    assert api.file(quote("\ufb01le")).body == "\ufb01le".encode()
    assert api.file("file").body == b"file"


def test_a_key_is_found_in_both_forms(api: ApiClient) -> None:
    """Row 22: a key in NFD and in NFC names the same file, so `If-None-Match: *` finds the file."""
    nfc, nfd = quote("caf\u00e9"), quote("cafe\u0301")
    api.stored(nfc, b"first")
    answer = api.put(nfd, b"second", {"If-None-Match": "*"})
    answer.problem(412, "precondition-failed")
    assert api.file(nfd).body == b"first"


UNICODE = [
    "日本語.txt",
    "🦊.txt",
    "头像.jpg",
    "ÄÖÜ ß.md",
    "עברית.txt",
    "한글.txt",
    "a b+c&d=e#f?.txt",
]


@pytest.mark.parametrize("content", WAYS)
def test_unicode_names_are_kept(api: ApiClient, content: bytes) -> None:
    """Row 23: names in any script are kept unchanged, and each name is a separate file."""
    for name in UNICODE:
        document = api.stored(quote(name), content + name.encode())
        assert (document["key"], document["filename"]) == (name, name)
    for name in UNICODE:
        served = api.file(quote(name))
        assert served.body == content + name.encode()
        assert api.get(
            api.get(f"/v1/metadata/default/{quote(name)}").json()["links"]["content"]
        ).body
    assert sorted(api.listed()) == sorted(UNICODE)


def test_unicode_names_in_forms(api: ApiClient) -> None:
    """Row 23: a form with names in any script, as raw UTF-8, stores each name as its own file."""
    answer = api.post(*(file_part(name, name.encode()) for name in UNICODE))
    assert [file["filename"] for file in answer.json()["files"]] == UNICODE
    for name in UNICODE:
        assert api.file(quote(name)).body == name.encode()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("-rf", "_-rf"),
        (".htaccess", "_.htaccess"),
        ("dot.", "dot"),
        ("space ", "space"),
        ("$(hostname).txt", "$(hostname).txt"),
        ("`id`;reboot", None),
        ("a\\b.txt", "a_b.txt"),
    ],
)
def test_dangerous_names(api: ApiClient, name: str, shown: str | None) -> None:
    """Rows 24 and 38: a name that a system would act on is stored; its download has a safe name."""
    assert api.stored(quote(name))["filename"] == name
    served = api.file(f"{quote(name)}?download=")
    assert served.body == SMALL
    found = re.match(r'attachment; filename="([^"]*)"', served.header("Content-Disposition"))
    assert found
    assert found[1] == (shown or found[1])
    assert not found[1].startswith(("-", "."))
    assert "/" not in found[1]


@pytest.mark.parametrize("content", WAYS)
@pytest.mark.parametrize(
    "key", ["x" * 256, "x" * 4096, "x/" * 600 + "x", "é" * 128, quote("日" * 86)]
)
def test_long_names_are_refused(wharf: Wharf, api: ApiClient, key: str, content: bytes) -> None:
    """Row 25: a segment over 255 bytes or a key over 1024 bytes gets a 400, never a 500."""
    with nothing_stored(wharf, api.tenant):
        api.put(quote(key, safe="/%"), content).problem(400, "invalid-key")


@pytest.mark.parametrize("length", [256, 4096])
def test_long_file_names_are_refused(wharf: Wharf, api: ApiClient, length: int) -> None:
    """Row 25: a form's file name over 255 bytes gets a 400, never a 500."""
    with nothing_stored(wharf, api.tenant):
        api.post(file_part("x" * length)).problem(400, "invalid-key")


def test_longest_names_are_kept(api: ApiClient) -> None:
    """Row 25: names of 255 bytes and keys of up to 1024 bytes work, even after a rename."""
    longest = "/".join(["x" * 255] * 4)
    assert api.stored(longest)["key"] == longest
    name = "n" * 251 + ".txt"
    keys = [api.post(file_part(name)).json()["files"][0]["key"] for _ in range(2)]
    assert keys == [name, "n" * 247 + " (2).txt"]


def test_the_extended_name_wins(api: ApiClient) -> None:
    """Row 26: if `filename` and `filename*` differ, the file gets the name in `filename*`."""
    extended = f"filename=\"plain.txt\"; filename*=UTF-8''{quote('日本.txt')}"
    part = Part(f'Content-Disposition: form-data; name="f"; {extended}'.encode(), b"x")
    assert api.post(part).json()["files"][0]["key"] == "日本.txt"


def test_case_counts(api: ApiClient) -> None:
    """Row 27: `A.txt` and `a.txt` are two files."""
    api.stored("A.txt", b"upper")
    api.stored("a.txt", b"lower")
    assert (api.file("A.txt").body, api.file("a.txt").body) == (b"upper", b"lower")


def test_no_error_shows_a_path(wharf: Wharf, api: ApiClient) -> None:
    """Row 28: when the bytes of a file are missing on the disk, the problem shows no path."""
    etag = api.stored("broken", LARGE)["etag"]
    for path in (wharf.data / "tenants" / api.tenant).rglob("*"):
        if path.is_file():
            path.unlink()
    # api_client.py searches every response for paths.
    assert api.file("broken").status >= 400
    assert api.file("broken", {"If-Match": etag}).status >= 400
