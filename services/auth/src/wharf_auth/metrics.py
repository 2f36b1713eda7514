"""The Prometheus metrics of auth; docs/metrics.md explains each of them."""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Iterator
from typing import get_args

from flask import Flask
from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from servicekit import metrics
from servicekit.problems import COMMON
from wharf_auth.accounts.login_throttle import ACCOUNT_POLICY, NETWORK_POLICY
from wharf_auth.accounts.secret_lane import POLICY
from wharf_auth.domain.rotation import KeyState
from wharf_auth.problems import CATALOGUE
from wharf_auth.signing import KeyRing

ISSUED = Counter("wharf_auth_tokens_issued_total", "Access tokens issued.", ("grant",))
LOGINS_FAILED = Counter("wharf_auth_logins_failed_total", "Logins refused, by reason.", ("reason",))
REUSED = Counter("wharf_auth_refresh_reused_total", "Refresh tokens used a second time.")
ATTACKED = Counter(
    "wharf_auth_persons_attacked_total", "Persons with failed logins from many networks."
)
for _reason in ("refused", "suspended", "busy", "throttled", "uncountable"):
    LOGINS_FAILED.labels(_reason)


def install(app: Flask, version: str, ring: KeyRing) -> None:
    """Add `GET /metrics` for the internal port."""
    metrics.expect_problems((*COMMON.by_slug, *CATALOGUE.by_slug))
    metrics.expect_policies(("client", "tenant", ACCOUNT_POLICY, NETWORK_POLICY, POLICY))
    metrics.install(app, version, (lambda: keys(ring),))


def keys(ring: KeyRing) -> Iterator[Metric]:
    """Yield the age of the signing key, and the number of keys in each state."""
    turns = ring.turns()
    signing = next(turn for turn in turns if turn.state == "signing")
    yield GaugeMetricFamily(
        "wharf_auth_signing_key_age_seconds",
        "Time since the key that signs was put in place.",
        value=max(0.0, time.time() - signing.key.since),
    )
    family = GaugeMetricFamily(
        "wharf_auth_signing_keys", "Keys by what they are used for.", labels=("state",)
    )
    states = Counted(turn.state for turn in turns)
    for state in get_args(KeyState):
        family.add_metric((state,), states[state])
    yield family
