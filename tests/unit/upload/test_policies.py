"""Tests of bucket policies: their stored form, and the names and types that they allow."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wharf_upload.content_types import media_types
from wharf_upload.domain import policies
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.policies import BadPolicy, BucketPolicy
from wharf_upload.domain.upload_intent import (
    ExtensionNotAllowed,
    TypeNotAllowed,
    check_name,
    check_rename,
    check_type,
)
from wharf_upload.routes.limits import TenantLimitsBody

EXTENSIONS = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,4})?", fullmatch=True)
TOKENS = st.from_regex(r"[a-z][a-z0-9.+-]{0,12}", fullmatch=True)
TYPES = st.builds("{}/{}".format, TOKENS, TOKENS)
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs"), exclude_characters="/"), max_size=30
)


def recased(data: st.DataObject, text: str) -> str:
    """Return the text with random case."""
    return "".join(letter.upper() if data.draw(st.booleans()) else letter for letter in text)


@given(st.data(), NAMES.filter(bool), st.lists(EXTENSIONS, min_size=1, max_size=5))
def test_a_name_with_an_allowed_extension_fits(
    data: st.DataObject, stem: str, allowed: list[str]
) -> None:
    """A name with an allowed extension, in any case, fits with any text before the dot."""
    extension = data.draw(st.sampled_from(allowed))
    spelled = recased(data, extension)
    check_name(f"{stem}.{spelled}", Policy(allowed_extensions=tuple(allowed)))


@given(NAMES.filter(bool), st.lists(EXTENSIONS, min_size=1, max_size=5))
def test_a_name_is_taken_only_for_its_end(name: str, allowed: list[str]) -> None:
    """A name fits exactly if it has text, a dot and an allowed extension at its end."""
    policy = Policy(allowed_extensions=tuple(allowed))
    fits = any(
        name.lower().endswith(f".{extension}") and len(name) > len(extension) + 1
        for extension in allowed
    )
    # Letters whose lower case has another length are not part of an extension.
    assume(len(name) == len(name.lower()))
    if fits:
        check_name(name, policy)
        return
    with pytest.raises(ExtensionNotAllowed) as caught:
        check_name(name, policy)
    assert caught.value.allowed == tuple(allowed)


@pytest.mark.parametrize(
    "name", ["photo.png.exe", "photo.exe", "png", ".png", "photo.png ", "photo.png.", "photopng"]
)
def test_near_misses(name: str) -> None:
    """A name that only resembles one with an allowed extension is refused."""
    with pytest.raises(ExtensionNotAllowed, match=r"\.png"):
        check_name(name, Policy(allowed_extensions=("png",)))


@given(TYPES, st.lists(TYPES, max_size=4), st.sampled_from(["exact", "family", "all", "none"]))
def test_types_match_exactly_what_is_listed(
    media_type: str, others: list[str], listed: str
) -> None:
    """A type fits only if the list is empty or contains the type, its family or `*/*`."""
    family = media_type.partition("/")[0]
    own = {"exact": media_type, "family": f"{family}/*", "all": "*/*"}
    allowed = (*others, own[listed]) if listed != "none" else tuple(others)
    matching = listed != "none" or media_type in others or not allowed
    if matching:
        check_type(media_type, "name", Policy(allowed_types=allowed))
        return
    with pytest.raises(TypeNotAllowed, match="The bytes are"):
        check_type(media_type, "name", Policy(allowed_types=allowed))


@given(TYPES, st.sampled_from(["image", "image/", "/png", "*/png", "image/png; q=1", "", "im*/*"]))
def test_what_is_no_pattern_is_refused(media_type: str, wrong: str) -> None:
    """One invalid pattern among valid ones refuses the policy, and the error names the member."""
    assert media_types.is_pattern(media_type)
    with pytest.raises(BadPolicy, match="allowed_types"):
        policies.checked(BucketPolicy(allowed_types=(media_type, wrong)))


@given(st.data(), st.lists(EXTENSIONS, max_size=6))
def test_extensions_are_kept_in_one_spelling(data: st.DataObject, wanted: list[str]) -> None:
    """Extensions are stored without leading dots, in lower case and without repetitions."""
    spelled = tuple(
        data.draw(st.sampled_from(("", "."))) + recased(data, extension) for extension in wanted
    )
    kept = policies.checked(BucketPolicy(allowed_extensions=spelled)).allowed_extensions
    assert kept == tuple(dict.fromkeys(wanted))


@pytest.mark.parametrize("wrong", ["", ".", "..png", "p/ng", "png ", "*", "png;", "пнг", "a" * 40])
def test_what_is_no_extension_is_refused(wrong: str) -> None:
    """Empty, non-ASCII and long extensions are refused."""
    with pytest.raises(BadPolicy, match="allowed_extensions"):
        policies.checked(BucketPolicy(allowed_extensions=(wrong,)))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example:443", "https://app.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://localhost:80", "http://localhost"),
        ("https://localhost:80", "https://localhost:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("*", "*"),
    ],
)
def test_origins_are_kept_as_browsers_send_them(written: str, kept: str) -> None:
    """Origins are stored in lower case and without the scheme's default port."""
    assert policies.checked(BucketPolicy(cors_origins=(written,))).cors_origins == (kept,)


@pytest.mark.parametrize(
    "wrong",
    [
        "null",
        "",
        "app.example",
        "https://",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?q",
        "https://app.example#f",
        "https://user@app.example",
        "https://*.example",
        "ftp://app.example",
        "https://app.example:0x50",
        "https://app.example:99999",
        "https://app.example:",
        "https://app .example",
        "https://app.example\n",
        "https://-app.example",
        "https://app..example",
    ],
)
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    """Anything but scheme, host and port is refused as an origin, wildcards and `null` included."""
    with pytest.raises(BadPolicy, match="cors_origins"):
        policies.checked(BucketPolicy(cors_origins=(wrong,)))


@given(st.text(max_size=40))
def test_any_text_is_an_origin_or_refused(text: str) -> None:
    """Any text is refused or gives an origin that the check accepts unchanged."""
    try:
        kept = policies.origin(text)
    except BadPolicy:
        return
    assert policies.origin(kept) == kept


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_name_and_type_are_judged(name: str, media_type: str) -> None:
    """Any name and type are accepted or refused, without another error."""
    policy = Policy(allowed_extensions=("png",), allowed_types=("image/*",))
    try:
        check_name(name, policy)
        check_type(media_type, name, policy)
    except (ExtensionNotAllowed, TypeNotAllowed):
        return
    assert name.lower().endswith(".png")
    assert media_type.strip().lower().startswith("image/")


def test_extensions_alone_make_names_agree_with_bytes() -> None:
    """With limited extensions, a renamed HTML file is refused with its real type."""
    policy = Policy(allowed_extensions=("png", "jpg"))
    check_type("image/png", "photo.png", policy)
    with pytest.raises(TypeNotAllowed, match=r"text/html.*photo\.png") as caught:
        check_type("text/html", "photo.png", policy)
    assert caught.value.media_type == "text/html"


def test_a_stored_file_keeps_to_the_policy_under_a_new_name() -> None:
    """A renamed file needs an allowed extension that agrees with its bytes."""
    policy = Policy(allowed_extensions=("csv", "txt", "html"))
    check_rename("text/csv", 1, "table.txt", policy)
    with pytest.raises(ExtensionNotAllowed):
        check_rename("text/csv", 1, "table.exe", policy)
    said = r"The bytes are text/plain, which does not fit the name page\.html"
    with pytest.raises(TypeNotAllowed, match=said) as caught:
        check_rename("text/csv", 1, "page.html", policy)
    assert caught.value.allowed == ()
    policy = Policy(allowed_types=("text/*",))
    with pytest.raises(TypeNotAllowed) as caught:
        check_rename("text/csv", 1, "page.html", policy)
    assert caught.value.allowed == ("text/*",)


def test_a_new_name_fits_what_the_client_has_said() -> None:
    """In a bucket for CSV a file that only its client calls CSV cannot get a script's name."""
    for name in ("script.php", "script.js", "data.json"):
        check_rename("text/csv", 1, name, Policy(allowed_types=("text/plain",)))
        said = f"The client declares text/csv, which does not fit the name {name}"
        with pytest.raises(TypeNotAllowed, match=said) as caught:
            check_rename("text/csv", 1, name, Policy(allowed_types=("text/csv",)))
        assert caught.value.allowed == ("text/csv",)
    check_rename("text/csv", 1, "table.txt", Policy(allowed_types=("text/csv",)))


def test_policies_of_before_are_read() -> None:
    """A stored policy of an earlier release, with fewer members, keeps its meaning."""
    old = msgspec.json.decode(b'{"max_file_bytes":5,"allowed_types":["image/*"]}', type=Policy)
    assert old == Policy(max_file_bytes=5, allowed_types=("image/*",))


@pytest.mark.parametrize("body", [BucketPolicy, TenantLimitsBody])
def test_clients_may_not_send_unknown_members(body: type) -> None:
    """An unknown member from a client is refused, because a misspelled rule restricts nothing."""
    with pytest.raises(msgspec.ValidationError, match="unknown field `max_file_byte`"):
        msgspec.json.decode(b'{"max_file_byte": 1}', type=body)


@pytest.mark.parametrize(
    "allowed",
    [
        ("text/csv",), ("application/json",), ("text/markdown",), ("message/rfc822",), ("text/*",),
        ("application/ogg",), ("text/x-python",), ("application/gpx+xml",), ("model/*",),
        ("image/jpg",),
        ("application/vnd.ms-excel.sheet.macroEnabled.12",), ("text/javascript", "image/png"),
        ("application/octet-stream",),
    ],
)  # fmt: skip
def test_a_policy_that_some_file_satisfies_is_kept(allowed: tuple[str, ...]) -> None:
    """A policy's types are stored as written if a file can have them."""
    assert policies.checked(BucketPolicy(allowed_types=allowed)).allowed_types == allowed


@pytest.mark.parametrize(
    "allowed",
    [("text/javascript",), ("text/css",), ("unheard/*",), ("x/y", "application/x-unheard-of")],
)
def test_a_policy_that_nobody_satisfies_is_refused(allowed: tuple[str, ...]) -> None:
    """A policy whose types no file can have is refused, and the error names the types."""
    with pytest.raises(BadPolicy, match=re.escape(allowed[0])):
        policies.checked(BucketPolicy(allowed_types=allowed))
