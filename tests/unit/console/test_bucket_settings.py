"""Pages for a new bucket, for a bucket's policy, and for its deletion."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import bucket_document
from tests.servers.fake_gateway import Reply, problem

NEW, PAGE = "/console/buckets/new", "/console/b/docs/settings"
DELETE = f"{PAGE}/delete"
BUCKET = "/v1/buckets/docs"
FULL: dict[str, Any] = {
    "max_file_bytes": 20_000_000,
    "allowed_types": ["image/*", "application/pdf"],
    "allowed_extensions": ["jpg", "tar.gz"],
    "expire_after_seconds": 7 * 24 * 3600,
    "cors_origins": ["https://app.example"],
}


def hidden(page: str) -> dict[str, list[str]]:
    """Return the hidden fields of a page, without the form's token and `next`."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if fields.get("type") == "hidden" and fields["name"] not in {"csrf_token", "next"}:
            found.setdefault(fields["name"], []).append(unescape(fields.get("value", "")))
    return found


def form_of(console: Console, **fields: Any) -> dict[str, Any]:
    """Return the page's form as a browser sends it, with these fields filled in."""
    seen = hidden(console.person().get(PAGE).text)["seen"]
    units = {"largest_unit": "MB", "expiry_unit": "days"}
    return {"types": "", "extensions": "", "origins": "", "seen": seen, **units, **fields}


def put(console: Console, path: str = BUCKET) -> list[Any]:
    """Return the policies that the console has sent."""
    return [call.json for call in console.gateway.called("PUT", path)]


@pytest.fixture(autouse=True)
def _bucket(console: Console) -> None:
    console.gateway.on("PUT", "/v1/buckets/.*", Reply(bucket_document()))


def test_the_policy_is_shown_as_people_write_it(console: Console) -> None:
    """A policy's form shows amounts in their largest unit, and lists with one entry a line."""
    console.gateway.on("GET", BUCKET, Reply(bucket_document(**FULL)))
    page = console.person().get(PAGE).text
    assert ">\r\nimage/*\napplication/pdf</textarea>" in page
    assert re.search(r'<input[^>]*name="largest"[^>]*value="20"', page)
    assert '<option selected value="MB">' in page
    assert re.search(r'<input[^>]*name="expiry"[^>]*value="7"', page)
    assert '<option selected value="days">' in page


@pytest.mark.parametrize(
    ("amount", "shown", "unit"),
    [(1, "1", "bytes"), (1500, "1500", "bytes"), (3_000_000_000, "3", "GB"), (None, "", "MB")],
)
def test_no_amount_is_rounded(console: Console, amount: int | None, shown: str, unit: str) -> None:
    """A policy's form shows an amount exactly, so saving the form does not change it."""
    console.gateway.on("GET", BUCKET, Reply(bucket_document(max_file_bytes=amount)))
    page = console.person().get(PAGE).text
    assert re.search(rf'<input[^>]*name="largest"[^>]*value="{shown}"', page)
    assert f'<option selected value="{unit}">' in page
    form = form_of(console, largest=shown, largest_unit=unit)
    console.person().post(PAGE, form)
    assert put(console)[0]["max_file_bytes"] == amount


def test_what_is_typed_is_saved(console: Console) -> None:
    """Line ends, commas and spaces separate a policy's entries, as do Chinese commas."""
    form = form_of(
        console,
        types="image/*\r\napplication/pdf, image/*",
        extensions="jpg\uff0c tar.gz\u3001png",
        largest="20",
        expiry="7",
        origins=" https://app.example ",
    )
    browser = console.person()
    reply = browser.post(PAGE, form)
    assert (reply.status_code, reply.location) == (303, PAGE)
    wanted = {**FULL, "allowed_extensions": ["jpg", "tar.gz", "png"], "public": False}
    assert put(console) == [wanted]
    assert '<p class="message success" role="status">The settings are saved.' in (
        browser.get(PAGE).text
    )


@pytest.mark.parametrize(
    ("detail", "field"),
    [
        ("allowed_types: 'x' is neither a media type nor `type/*`.", "types"),
        ("allowed_extensions: '..' is no extension; write it like `jpg`.", "extensions"),
        ("cors_origins: 'null' is no origin.", "origins"),
        (
            "The body is not acceptable: Expected `int` <= 9 - at `$.max_file_bytes`.",
            "largest",
        ),
        (
            "The body is not acceptable: Expected `int` <= 9 - at `$.expire_after_seconds`.",
            "expiry",
        ),
        ("The body is not acceptable: Expected `str` - at `$.allowed_types[...]`.", "types"),
    ],
)
def test_a_refusal_stands_at_its_field(console: Console, detail: str, field: str) -> None:
    """A refusal of the API is shown at its field, and the form keeps its input."""
    form = form_of(console, types="text/x", largest="5")
    console.gateway.on("PUT", BUCKET, problem(422, "unprocessable", detail))
    reply = console.person().post(PAGE, form)
    assert reply.status_code == 422
    assert f'<small id="{field}-error" class="error">' in reply.text
    assert reply.text.count("-error") == 2
    assert detail.replace("'", "&#39;").replace("<", "&lt;") in reply.text
    assert reply.text.count("autofocus") == 1
    assert ">\r\ntext/x</textarea>" in reply.text


def test_a_refusal_of_no_field_stands_above_the_form(console: Console) -> None:
    """A refusal that names no field of the form is shown above the form."""
    form = form_of(console)
    console.gateway.on("PUT", BUCKET, problem(422, "unprocessable", "It is Sunday."))
    page = console.person().post(PAGE, form).text
    assert '<p class="message error" role="alert">It is Sunday.</p>' in page


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "many", "9" * 5000])
def test_an_amount_is_a_whole_number(console: Console, typed: str) -> None:
    """A policy's amount must be a whole number; any other is refused without a call of the API."""
    form = form_of(console, largest=typed)
    reply = console.person().post(PAGE, form)
    assert reply.status_code == 422
    assert '<small id="largest-error" class="error">Enter ' in reply.text
    assert put(console) == []


def test_public_asks_twice(console: Console) -> None:
    """A form that makes a bucket public asks for confirmation, and keeps all fields."""
    browser = console.person()
    form = form_of(console, public="y", types="image/png\r\nimage/gif", largest="5")
    question = browser.post(PAGE, form)
    assert question.status_code == 200
    assert "Make the bucket public?" in question.text
    assert put(console) == []
    carried = hidden(question.text)
    assert carried["confirmed"] == ["yes"]
    assert browser.post(PAGE, carried).status_code == 303
    [sent] = put(console)
    assert (sent["public"], sent["max_file_bytes"]) == (True, 5_000_000)
    assert sent["allowed_types"] == ["image/png", "image/gif"]


def test_a_bucket_that_is_public_is_not_asked_about(console: Console) -> None:
    """The form of a public bucket does not ask for confirmation, however it is saved."""
    console.gateway.on("GET", BUCKET, Reply(bucket_document(public=True)))
    form = form_of(console, public="y")
    assert console.person().post(PAGE, form).status_code == 303
    del form["public"]
    assert console.person().post(PAGE, form).status_code == 303
    assert [sent["public"] for sent in put(console)] == [True, False]


def test_a_change_of_somebody_else_is_not_overwritten_unseen(console: Console) -> None:
    """If another person has changed the bucket, the form shows both versions and can be saved."""
    form = form_of(console, types="image/png")
    newer = bucket_document(allowed_types=["text/plain"], public=True, expire_after_seconds=60)
    console.gateway.on("GET", BUCKET, Reply(newer))
    reply = console.person().post(PAGE, form)
    assert reply.status_code == 412
    assert "Somebody else has changed these settings meanwhile." in reply.text
    assert "<dd>text/plain</dd>" in reply.text
    assert "<dd>60 seconds</dd>" in reply.text
    assert ">\r\nimage/png</textarea>" in reply.text
    assert put(console) == []
    form["seen"] = hidden(reply.text)["seen"]
    assert console.person().post(PAGE, form).status_code == 303
    assert len(put(console)) == 1


def test_a_bucket_is_made(console: Console) -> None:
    """A new bucket's form redirects to the bucket's page of files."""
    made = bucket_document("photos")
    console.gateway.on("PUT", "/v1/buckets/photos", Reply(made, status=201))
    form = {"name": " photos ", "largest": "1", "largest_unit": "GB", "expiry_unit": "days"}
    reply = console.person().post(NEW, form)
    assert (reply.status_code, reply.location) == (303, "/console/b/photos/")
    assert put(console, "/v1/buckets/photos")[0]["max_file_bytes"] == 10**9


def test_a_bucket_of_the_same_name_is_not_changed(console: Console) -> None:
    """The form for a new bucket refuses an existing name, whose policy the API would replace."""
    reply = console.person().post(NEW, {"name": "docs", "public": "y", "confirmed": "yes"})
    assert reply.status_code == 422
    assert "There is a bucket of this name." in reply.text
    assert put(console) == []


@pytest.mark.parametrize("name", ["", "  "])
def test_a_bucket_needs_a_name(console: Console, name: str) -> None:
    """A form without a name is refused without a call of the API."""
    reply = console.person().post(NEW, {"name": name})
    assert reply.status_code == 422
    assert '<small id="name-error" class="error">Enter a name.' in reply.text
    assert not any(call.path.startswith("/v1/buckets/") for call in console.gateway.calls)


def test_a_name_that_the_api_refuses_stands_at_the_name(console: Console) -> None:
    """A name that the API refuses is explained at its field, in the API's words."""
    console.gateway.on("PUT", "/v1/buckets/.*", problem(400, "invalid-key", "It is reserved."))
    reply = console.person().post(NEW, {"name": "reserved"})
    assert reply.status_code == 422
    assert '<small id="name-error" class="error">It is reserved.' in reply.text


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "has 1000 buckets already"), ("zh", "租户的此类数量已达上限 (The tenant has 1000")],
)
def test_a_bucket_too_many_is_told_in_the_form(console: Console, language: str, words: str) -> None:
    """A bucket beyond the tenant's limit is refused in the form, which keeps its input."""
    refused = problem(409, "tenant-limit-reached", "The tenant has 1000 buckets already.")
    console.gateway.on("PUT", "/v1/buckets/.*", refused)
    reply = console.person().post(NEW, {"name": "more"}, headers={"Accept-Language": language})
    assert reply.status_code == 422
    assert words in reply.text
    assert 'value="more"' in reply.text


@pytest.mark.parametrize(
    ("language", "fields", "words"),
    [
        ("en", {"name": "A/../B"}, "Use 3 to 63 of the small letters a to z"),
        ("zh", {"name": "-ab"}, "请使用 3 到 63 个字符"),
        ("en", {"types": "image/png pictures"}, "“pictures” is no type."),
        ("zh", {"types": "pictures"}, "“pictures”不是文件类型"),
        ("zh", {"extensions": "a/b"}, "“a/b”不是扩展名"),
        ("zh", {"origins": "app.example"}, "“app.example”不是网站地址"),
        ("en", {"origins": "https://app.example/page"}, "is no address of a site."),
    ],
)
def test_what_is_no_rule_is_told_in_the_language_of_the_page(
    console: Console, language: str, fields: dict[str, str], words: str
) -> None:
    """A malformed value is explained in the page's language without a call of the API."""
    form = {"name": "inbox", **fields}
    reply = console.person().post(NEW, form, headers={"Accept-Language": language})
    assert reply.status_code == 422
    [name] = fields
    assert f'<small id="{name}-error" class="error">' in reply.text
    assert words in reply.text
    assert not any(call.path.startswith("/v1/buckets/") for call in console.gateway.calls)


def test_extensions_are_taken_as_people_write_them(console: Console) -> None:
    """An extension may begin with a star and a dot; the star is removed."""
    console.person().post(PAGE, form_of(console, extensions="*.jpg .png tar.gz"))
    assert put(console)[0]["allowed_extensions"] == [".jpg", ".png", "tar.gz"]


def test_a_new_public_bucket_asks_twice(console: Console) -> None:
    """A new public bucket is created only after a confirmation."""
    browser = console.person()
    question = browser.post(NEW, {"name": "photos", "public": "y"})
    assert "Make the bucket public?" in question.text
    assert put(console, "/v1/buckets/photos") == []
    browser.post(NEW, hidden(question.text))
    assert put(console, "/v1/buckets/photos")[0]["public"] is True


def test_an_empty_bucket_is_deleted_after_a_question(console: Console) -> None:
    """An empty bucket is deleted after a confirmation, which redirects to the overview."""
    console.gateway.on("DELETE", BUCKET, Reply(status=204))
    browser = console.person()
    question = browser.get(DELETE)
    assert "Delete the bucket docs?" in question.text
    assert "data-dialog" in question.text
    reply = browser.post(DELETE, {"confirmed": "yes"})
    assert (reply.status_code, reply.location) == (303, "/console/")
    assert "The bucket docs is deleted." in browser.get("/console/").text


def test_a_bucket_that_holds_files_stays(console: Console) -> None:
    """A bucket that contains files is not deleted, and the page gives the reason."""
    refused = problem(409, "bucket-not-empty", "The bucket holds files.")
    console.gateway.on("DELETE", BUCKET, refused)
    browser = console.person()
    assert browser.post(DELETE, {"confirmed": "yes"}).location == PAGE
    assert 'role="alert">The bucket holds files.' in browser.get(PAGE).text


def test_the_bucket_that_every_tenant_has_cannot_be_deleted(console: Console) -> None:
    """The page of the bucket `default` offers no deletion, and gives the reason."""
    console.gateway.on("GET", "/v1/buckets/default", Reply(bucket_document("default")))
    page = console.person().get("/console/b/default/settings").text
    assert "This bucket comes with the tenant and stays." in page
    assert "/settings/delete" not in page


def test_what_was_typed_comes_back_after_the_next_login(console: Console) -> None:
    """A form that was sent after the session's end is shown with its input after the next login."""
    browser = console.person()
    form = form_of(console, types="image/png")
    token = browser.token()
    console.gateway.on("GET", BUCKET, problem(401, "token-revoked"))
    reply = browser.client.post(PAGE, data={**form, "csrf_token": token})
    assert reply.location == f"/console/login?next={PAGE}"
    console.gateway.on("GET", BUCKET, Reply(bucket_document()))
    login = {"tenant": "acme", "username": "ann", "password": "correct horse", "next": PAGE}
    assert browser.post("/console/login", login).location == PAGE
    assert ">\r\nimage/png</textarea>" in browser.get(PAGE).text
