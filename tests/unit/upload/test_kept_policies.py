"""What is kept of a policy that a client sends, and the longest origins."""

from __future__ import annotations

import pytest

from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.long_work import BRIEF_BYTES, LongWorkRule
from wharf_upload.domain.policies import BadPolicy, BucketPolicy, checked, origin


def test_each_rule_is_kept() -> None:
    """Every member of a policy is kept as it was sent, or in its one spelling."""
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
    """An origin has 255 characters at most."""
    labels = ".".join(["a" * 60] * 4)
    longest = f"https://{labels}.{'b' * 3}"
    assert len(longest) == 255
    assert origin(longest) == longest
    with pytest.raises(BadPolicy):
        origin(f"{longest}b")


def test_types_that_no_file_has_are_named() -> None:
    """The refusal names the types, with "or" between them, in 200 characters at most."""
    with pytest.raises(BadPolicy, match="no file is found to be text/css or text/ecmascript; "):
        checked(BucketPolicy(allowed_types=("text/css", "text/ecmascript")))
    many = tuple(f"application/x-unknown-{number:03}" for number in range(20))
    with pytest.raises(BadPolicy) as caught:
        checked(BucketPolicy(allowed_types=many))
    named = str(caught.value).removeprefix("allowed_types: no file is found to be ")
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
    """A large body takes long, and every one that is sent to an object store."""
    assert LongWorkRule(sends_bytes=sends_bytes).takes_long(size) is long
