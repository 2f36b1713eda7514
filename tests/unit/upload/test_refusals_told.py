"""Tests of the sentences of refusals, and of their members for programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servicekit.tickets import Ticket
from wharf_upload.domain import (
    bucket_place,
    conditions,
    digests,
    policies,
    redirects,
    refusals,
    resumable_upload,
    upload_intent,
)
from wharf_upload.domain.buckets import Policy

EMPTY_SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def refusal(call: Callable[[], object]) -> str:
    """Return the sentence of the refusal that the call raises."""
    with pytest.raises(Exception, match=r".") as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: conditions.for_write("nonsense", None),
            (
                'If-Match is neither "*" nor a list of entity tags in double quotes; send the ETag '
                "as it was received."
            ),
        ),
        (
            lambda: conditions.for_write(None, "nonsense"),
            (
                'If-None-Match is neither "*" nor a list of entity tags in double quotes; send the '
                "ETag as it was received."
            ),
        ),
        (
            lambda: conditions.for_read('"a"', 0, if_match="nonsense"),
            (
                'If-Match is neither "*" nor a list of entity tags in double quotes; send the ETag '
                "as it was received."
            ),
        ),
        (
            lambda: conditions.for_read('"a"', 0, if_none_match="nonsense"),
            (
                'If-None-Match is neither "*" nor a list of entity tags in double quotes; send the '
                "ETag as it was received."
            ),
        ),
        (
            lambda: digests.expected("sha-256=abc"),
            "The digest field is malformed; send it as sha-256=:BASE64:, colons included.",
        ),
        (
            lambda: digests.expected("sha-256=:a:"),
            "The sha-256 digest is not base64; encode it again.",
        ),
        (
            lambda: digests.expected("sha-512=:AAAA:"),
            (
                "The sha-512 digest is 3 bytes long and must be 64; encode the raw digest, not its "
                "hexadecimal form."
            ),
        ),
        (
            lambda: digests.Hashing().verify({"sha-256": b"\0" * 32}),
            (
                f"The sha-256 of the received bytes is {EMPTY_SHA256}, but the client announced "
                f"{'A' * 43}=; nothing was stored. Send the file again."
            ),
        ),
        (
            lambda: digests.Hashing().verify({"sha-512": b"\0" * 64}),
            "SHA-512 was not requested when hashing began",
        ),
        (
            lambda: redirects.check("/done", None, ()),
            "redirect is not an absolute address of a page; write it like https://app.example/done.",
        ),
        (
            lambda: redirects.check("https://evil.example/", None, ("https://app.example",)),
            (
                "redirect is not allowed: it must be one of the ticket's addresses, below one of "
                "them that ends with /, or at an origin in the bucket's cors_origins."
            ),
        ),
        (
            lambda: policies.extension("a b"),
            "allowed_extensions: 'a b' is not an extension; write it like `jpg` or `tar.gz`.",
        ),
        (
            lambda: policies.origin("https://app.example/page"),
            (
                "cors_origins: 'https://app.example/page' is not an origin; write only scheme, "
                "host and port, like `https://app.example` or `http://localhost:3000`."
            ),
        ),
        (
            lambda: policies.checked(policies.BucketPolicy(allowed_types=("image",))),
            "allowed_types: 'image' is neither a media type nor `type/*`.",
        ),
        (
            lambda: policies.checked(policies.BucketPolicy(allowed_types=("text/css",))),
            (
                "allowed_types: the service never detects text/css; docs/types.md lists the types. "
                "Scripts and style sheets are text/plain."
            ),
        ),
        (
            lambda: bucket_place.parse_bucket_place("s3://bucket"),
            (
                "'s3://bucket': expected a URL like s3://bucket/prefix?endpoint="
                "https://s3.example.net&region=us-east-1&style=path"
            ),
        ),
        (
            lambda: bucket_place.parse_bucket_place("s3://key:secret@bucket"),
            (
                "(hidden): expected a URL like s3://bucket/prefix?endpoint="
                "https://s3.example.net&region=us-east-1&style=path"
            ),
        ),
        (
            lambda: upload_intent.check_size(11, upload_intent.SizeLimit(10, "bucket's limit")),
            "The file is larger than the bucket's limit of 10 bytes.",
        ),
        (
            lambda: upload_intent.check_name("a.exe", Policy(allowed_extensions=("jpg", "png"))),
            "This bucket takes only names that end with .jpg, .png.",
        ),
        (
            lambda: upload_intent.check_type("image/png", "a", Policy(allowed_types=("text/*",))),
            "The bytes are image/png; this bucket takes text/*.",
        ),
        (
            lambda: upload_intent.check_type(
                "image/png",
                "a",
                Policy(),
                Ticket(bucket="photos", key="a", allowed_types=("text/*",)),
            ),
            "The bytes are image/png; this ticket takes text/*.",
        ),
    ],
)
def test_a_refusal_says_what_to_do(call: Callable[[], object], said: str) -> None:
    """A refusal states what was wrong, where, and what is accepted instead."""
    assert refusal(call) == said


def test_refusals_carry_what_a_program_needs() -> None:
    """The attributes of each refusal are those of its problem document."""
    taken = refusals.KeyTaken("a/b")
    assert (taken.key, str(taken)) == ("a/b", "a/b")
    used_up = refusals.TicketUsedUp(3)
    assert (used_up.max_files, used_up.under_way) == (3, 0)
    assert str(used_up) == "The ticket permits 3 files."
    busy = refusals.TicketUsedUp(3, 1)
    assert (busy.max_files, busy.under_way) == (3, 1)
    assert str(busy) == "The ticket permits 3 files. Uploads under way (1) take all that are left."
    keys = refusals.TooManyIdempotencyKeys(1000, 60)
    assert (keys.limit_count, keys.seconds) == (1000, 60)
    assert str(keys) == (
        "The tenant already uses 1000 idempotency keys, the most that it may use. The oldest one "
        "expires in 60 seconds."
    )
    large = upload_intent.TooLarge("bucket's limit", 10)
    assert (large.limit, large.limit_bytes) == ("bucket's limit", 10)
    name = upload_intent.ExtensionNotAllowed("a.exe", ("jpg",))
    assert (name.filename, name.allowed) == ("a.exe", ("jpg",))
    kind = upload_intent.TypeNotAllowed("image/png", ("text/*",))
    assert (kind.media_type, kind.allowed) == ("image/png", ("text/*",))
    digest = digests.DigestMismatch("sha-256", b"announced", b"actual")
    assert (digest.algorithm, digest.expected, digest.actual) == (
        "sha-256",
        b"announced",
        b"actual",
    )
    elsewhere = resumable_upload.AtAnotherReplica("10.0.0.1:8081")
    assert (elsewhere.replica, str(elsewhere)) == (
        "10.0.0.1:8081",
        "the upload is at 10.0.0.1:8081",
    )


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (("read",), "read all buckets."),
        (("read", "photos"), "read photos."),
        (("write", "photos", "a/b"), "write photos/a/b."),
        (
            ("administer", "photos"),
            "administer photos; this needs every action on every key.",
        ),
    ],
)
def test_a_missing_grant_is_named(missing: tuple[str, ...], said: str) -> None:
    """The missing grant is named by its action, and by bucket and key if it has them."""
    refused = refusals.OutsideGrants(*missing)
    assert str(refused) == f"Your grants do not allow you to {said}"
    assert (refused.action, refused.bucket, refused.key) == (*missing, "", "")[:3]


@pytest.mark.parametrize(("advice", "said"), [("", ""), ("End one.", " End one.")])
def test_a_limit_is_named(advice: str, said: str) -> None:
    """The refusal at a limit states what is limited, how many exist, and the advice."""
    refused = refusals.LimitReached("links", 5, advice)
    assert str(refused) == f"The tenant already has 5 links, the most that it may have.{said}"
    assert (refused.what, refused.limit_count) == ("links", 5)
    assert str(refusals.LimitReached("links", 5)) == str(refusals.LimitReached("links", 5, ""))


@pytest.mark.parametrize(
    ("claimed", "said"),
    [(False, "The bytes are text/csv, which"), (True, "The client declares text/csv, which")],
)
def test_a_name_that_says_another_type_is_told(claimed: bool, said: str) -> None:  # noqa: FBT001
    """The refusal states whether bytes or client claim the type that contradicts the name."""
    refused = upload_intent.TypeNotAllowed("text/csv", (), "a.jpg", claimed=claimed)
    assert str(refused) == f"{said} does not fit the name a.jpg."


def test_a_long_list_of_extensions_is_cut() -> None:
    """A refusal shows 300 characters of the allowed extensions, and an ellipsis for more."""
    allowed = (*(f"ext{number:03}" for number in range(33)), "a")
    assert len(f".{', .'.join(allowed)}") == 299
    for last, more in (("a", ".a"), ("ab", ".ab"), ("abc", "\u2026")):
        text = str(upload_intent.ExtensionNotAllowed("a.exe", (*allowed[:-1], last)))
        assert text.endswith(f", .ext032, {more}.")
