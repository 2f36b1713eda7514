"""The reach that upload computes from tokens and the feed equals the reach that auth has."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicekit.grants import ACTIONS
from servicekit.grants_claim import GrantsClaim
from servicekit.problems import UNAVAILABLE, ProblemError
from servicekit.reach import EVERYTHING, NOTHING
from servicekit.reaches import KnownReaches, ReachChange
from servicekit.revocations import page_of
from servicekit.tokens import Principal
from tests.servers.auth import AuthService
from wharf_auth.accounts import grants
from wharf_auth.accounts.grants import Standing
from wharf_auth.settings import Settings

TENANT = "/tenants/demo"
_FILES = ["files:read", "files:write", "files:delete"]
_GRANTS = st.lists(
    st.fixed_dictionaries(
        {
            "bucket": st.sampled_from(["photos", "inbox", "*"]),
            # Grants with these long prefixes do not fit into tokens.
            "prefix": st.sampled_from(["", "a/", "b/", "x" * 200 + "/", "y" * 250 + "/"]),
            "actions": st.sampled_from([["read"], ["write", "list"], ["delete"]]),
        }
    ),
    max_size=5,
)
_GROUP = st.sampled_from(["one", "two"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("own"), st.none() | _GRANTS),
        st.tuples(st.just("scopes"), st.sets(st.sampled_from(_FILES), min_size=1)),
        st.tuples(_GROUP, st.none() | _GRANTS),
        st.tuples(_GROUP, st.sets(st.sampled_from(_FILES))),
        st.tuples(st.sampled_from(["join one", "join two", "leave one", "leave two"]), st.none()),
        st.tuples(st.sampled_from(["delete one", "token", "hear", "restart"]), st.none()),
    ),
    max_size=12,
)


@dataclass
class Side:
    """The state of an upload service: tokens of any age, and the known entries of the feed."""

    auth: AuthService
    client: str
    groups: dict[str, str] = field(default_factory=dict)
    tokens: list[tuple[GrantsClaim | None, frozenset[str]]] = field(default_factory=list)
    known: KnownReaches = field(default_factory=KnownReaches)
    heard: int = 0

    def asked(self, method: str, path: str, **body: Any) -> Any:
        """Send an administrator's request, and return the response's document."""
        reply = self.auth.admin(method, f"{TENANT}{path}", json=body or None)
        assert reply.status_code < 300, reply.text
        return reply.get_json(silent=True)

    def standing(self) -> Standing:
        """Return the client's grants and scopes in auth."""
        found = grants.of_subject(self.auth.records, "demo", self.client)
        assert found is not None
        return found

    def group(self, name: str) -> str:
        """Return the id of the group of this name; create the group when it does not exist."""
        if name not in self.groups:
            self.groups[name] = self.asked("POST", "/groups", name=name)["group_id"]
        return self.groups[name]

    def token(self) -> None:
        """Issue a token, and keep its claim and its scopes."""
        standing = self.standing()
        self.tokens.append((standing.claim(), frozenset(standing.scopes)))

    def hear(self) -> None:
        """Read all new entries of the feed."""
        query = f"?after={self.heard}"
        reply = self.auth.app.test_client().get(
            f"/auth/internal/feed{query}", environ_overrides={"WHARF_INTERNAL": "1"}
        )
        for entry in page_of(reply.get_data()).entries:
            self.heard = entry.seq
            if entry.kind in {"reach", "group"}:
                change = entry.reach or ReachChange(entry.at)
                self.known.take(entry.kind, entry.tenant, entry.id, change)

    def resolved(self, claim: GrantsClaim | None, scopes: frozenset[str]) -> Principal:
        """Return the principal that upload computes from a token."""
        reach = EVERYTHING if claim is None else NOTHING
        return self.known.resolve(
            Principal("demo", self.client, scopes, "t", 1, grants=claim, reach=reach)
        )

    def agrees(self) -> None:
        """Check that upload computes auth's current reach and scopes from each token."""
        self.hear()
        standing = self.standing()
        for claim, scopes in self.tokens:
            found = self.resolved(claim, scopes)
            assert found.reach == standing.reach
            assert found.scopes == scopes & set(standing.scopes)

    def step(self, what: str, value: Any) -> None:
        """Run one step: a change, a new token, a restart, or a check."""
        first, _, name = what.partition(" ")
        if what in {"own", "scopes"}:
            wanted = {"grants": value} if what == "own" else {"scopes": sorted(value)}
            self.asked("PATCH", f"/clients/{self.client}", **wanted)
        elif what in {"one", "two"}:
            wanted = {"scopes": sorted(value)} if isinstance(value, set) else {"grants": value}
            self.asked("PATCH", f"/groups/{self.group(what)}", **wanted)
        elif first in {"join", "leave"}:
            method = "PUT" if first == "join" else "DELETE"
            self.asked(method, f"/groups/{self.group(name)}/members/{self.client}")
        elif first == "delete":
            self.asked("DELETE", f"/groups/{self.group(name)}")
            del self.groups[name]
        elif what == "token":
            self.token()
            self.never_more()
        elif what == "restart":
            self.known, self.heard = KnownReaches(), 0
        else:
            self.agrees()

    def never_more(self) -> None:
        """Check that the newest token gives no more than auth allows, even if the feed is old."""
        claim, scopes = self.tokens[-1]
        try:
            found = self.resolved(claim, scopes)
        except ProblemError as error:
            assert error.problem is UNAVAILABLE  # noqa: PT017 -- nothing else may come
            return
        standing = self.standing()
        assert found.scopes <= set(standing.scopes)
        for action, bucket, key in itertools.product(
            ACTIONS, ("photos", "other"), ("a/", "b/", "")
        ):
            allowed = found.reach.covers(action, bucket, key)
            assert not allowed or standing.reach.covers(action, bucket, key)


@pytest.fixture
def auth_settings(auth_settings: Settings) -> Settings:
    """Return the usual settings of tests, with a higher limit of administrative requests."""
    return replace(auth_settings, admin_requests_per_minute=10**9)


@pytest.fixture
def client(auth: AuthService) -> str:
    """Return the id of a new client with every scope for files and without a list of grants."""
    wanted = {"name": "client", "scopes": _FILES}
    return str(auth.admin("POST", f"{TENANT}/clients", json=wanted).get_json()["client_id"])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS)
def test_tokens_and_the_feed_say_what_auth_keeps(
    auth: AuthService, client: str, steps: list[tuple[str, Any]]
) -> None:
    """After any changes upload computes auth's reach and scopes from any token and the feed.

    Some of the grants are too long for a token.
    """
    side = Side(auth, client)
    for group in auth.records.groups("demo", after="", limit=100):
        side.asked("DELETE", f"/groups/{group.id}")
    side.asked("PATCH", f"/clients/{client}", grants=None, scopes=_FILES)
    side.token()
    for what, value in steps:
        side.step(what, value)
    side.token()
    side.agrees()
