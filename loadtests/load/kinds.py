"""The names of the requests that users send, and the names that a complete run has."""

from __future__ import annotations

#: Small requests. Only their response time is judged.
QUICK = (
    *("PUT small", "GET", "GET range", "GET unchanged", "HEAD", "GET by link", "link made"),
    *("list", "metadata", "DELETE", "usage", "tus HEAD", "tus POST"),
)
SLOW = ("POST form", "POST form by ticket", "ticket", "PUT large", "GET large")
CUT = ("tus PATCH", "tus PATCH cut")
#: The requests of a complete run. `usage` is rare, so short runs may not have it.
EXPECTED = frozenset((*QUICK, *SLOW, *CUT)) - {"usage"}
#: The prefix of the noisy tenant's requests, which thresholds do not judge.
NOISY = "noisy: "
