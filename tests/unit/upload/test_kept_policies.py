"""Tests of how a policy is stored, and of limits, names and types in refusals."""

from __future__ import annotations

import pytest

from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.long_work import BRIEF_BYTES, LongWorkRule
from wharf_upload.domain.policies import BadPolicy, BucketPolicy, checked, origin
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.domain.upload_intent import (
    ExtensionNotAllowed,
    SizeLimit,
    TypeNotAllowed,
    check_name,
    smallest,
)


def test_each_rule_is_kept() -> None:
    """Every member of a policy is stored, in its canonical spelling."""
    sent = BucketPolicy(
        public=True,
        max_file_bytes=5,
        allowed_types=("image/*",),
        allowed_extensions=(".JPG", "jpg"),
        expire_after_seconds=60,
        cors_origins=("https://App.example:443", "https://app.example"),
    )
    assert checked(sent) == Policy(
        public=True,
        max_file_bytes=5,
        allowed_types=("image/*",),
        allowed_extensions=("jpg",),
        expire_after_seconds=60,
        cors_origins=("https://app.example",),
    )


def test_the_longest_origin() -> None:
    """An origin has at most 255 characters."""
    labels = ".".join(["a" * 60] * 4)
    longest = f"https://{labels}.{'b' * 3}"
    assert len(longest) == 255
    assert origin(longest) == longest
    with pytest.raises(BadPolicy):
        origin(f"{longest}b")


def test_types_that_no_file_has_are_named() -> None:
    """The refusal names the types, joined by "or", in at most 200 characters."""
    with pytest.raises(BadPolicy, match="the service never detects text/css or text/ecmascript; "):
        checked(BucketPolicy(allowed_types=("text/css", "text/ecmascript")))
    many = tuple(f"application/x-unknown-{number:03}" for number in range(20))
    with pytest.raises(BadPolicy) as caught:
        checked(BucketPolicy(allowed_types=many))
    named = str(caught.value).removeprefix("allowed_types: the service never detects ")
    assert named.partition(";")[0] == " or ".join(many)[:200]


@pytest.mark.parametrize(
    ("sends_bytes", "size", "long"),
    [
        (False, 0, False),
        (False, BRIEF_BYTES - 1, False),
        (False, BRIEF_BYTES, True),
        (True, 0, True),
    ],
)
def test_what_takes_long(*, sends_bytes: bool, size: int, long: bool) -> None:
    """Large bodies are long work, and so is every body that goes to an object store."""
    assert LongWorkRule(sends_bytes=sends_bytes).takes_long(size) is long


def test_the_limit_that_is_named() -> None:
    """`smallest` returns the smallest limit with its name, or the first of equal limits. It
    ignores limits that are not set.
    """
    assert smallest(("service", 9), ("bucket", None), ("ticket", 5)) == SizeLimit(5, "ticket")
    assert smallest(("ticket", 5), ("bucket", 5)) == SizeLimit(5, "ticket")


def test_what_holds_over_the_defaults() -> None:
    """A limit that is set applies, 0 included; the default applies to a limit that is not set."""
    defaults = Limits(max_bytes=100, max_files=10, concurrent_uploads=3)
    assert Limits(max_bytes=0, max_files=20).over(defaults) == Limits(
        max_bytes=0, max_files=20, concurrent_uploads=3
    )


def test_a_refused_name_is_kept_with_what_is_taken() -> None:
    """The refusal of a name or type states the allowed extensions or types."""
    with pytest.raises(ExtensionNotAllowed) as caught:
        check_name("a.exe", Policy(allowed_extensions=("jpg",)))
    assert (caught.value.filename, caught.value.allowed) == ("a.exe", ("jpg",))
    assert "takes text/*, image/png." in str(TypeNotAllowed("a/b", ("text/*", "image/png")))
