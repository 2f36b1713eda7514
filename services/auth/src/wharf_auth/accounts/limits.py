"""The problems for a tenant that has reached a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from servicekit.problems import TENANT_LIMIT, ProblemError
from wharf_auth.domain.limits import LimitReached
from wharf_auth.problems import TOO_MANY_REVOCATIONS

# The client can try again after this time. A tenant that has too many entries in the feed gets room
# when an entry expires. An entry expires with the last token or link that it concerns: within a
# day, or within the longest life of a link.
_RETRY_SECONDS = 600
_DETAILS = {
    "clients": "The tenant has {most} active clients, the most it may have. Disable one first.",
    "users": "The tenant has {most} users, the most it may have. Delete a user first.",
    "grant bytes": "All lists of grants of the tenant together may have {most} bytes; this list "
    "exceeds the limit. Shorten other lists, or give the grants to a group.",
}


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn `LimitReached` into `tenant-limit-reached` or `too-many-revocations`."""
    try:
        yield
    except LimitReached as error:
        raise _problem(error) from None


def _problem(error: LimitReached) -> ProblemError:
    if error.limited == "revocations":
        return TOO_MANY_REVOCATIONS(
            f"The feed of revocations has {error.most} entries of this tenant, and more are not "
            "allowed. Try again later.",
            headers=(("Retry-After", str(_RETRY_SECONDS)),),
            retry_after=_RETRY_SECONDS,
        )
    detail = _DETAILS[error.limited].format(most=f"{error.most:,}")
    return TENANT_LIMIT(detail, limit=error.limited, limit_count=error.most)
