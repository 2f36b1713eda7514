"""Random changes, tokens and readings of the feed: the computed reach equals auth's reach."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.grants import Compact, CompactGrant, Holder, filled
from servicekit.grants_claim import GrantsClaim, GroupPart
from servicekit.problems import UNAVAILABLE, ProblemError
from servicekit.reach import Reach, reach_of
from servicekit.reaches import KnownReaches, ReachChange
from tests.unit.servicekit.callers import SCOPES, caller

_LISTS = st.lists(
    st.builds(
        CompactGrant,
        st.just("b"),
        st.sampled_from(["", "a/", "b/", "u/{user_id}/"]),
        st.sampled_from(["r", "w", "rwdl"]),
    ),
    max_size=2,
).map(tuple)
_OWN_LISTS = _LISTS.map(lambda found: filled(found, Holder("u1", "ann")))
_SCOPES = st.sampled_from(["", "files:read", SCOPES])
_GROUPS = ("g1", "g2")
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("own"), _OWN_LISTS, _SCOPES),
        st.tuples(st.sampled_from(_GROUPS), _LISTS, _SCOPES),
        st.tuples(st.just("groups"), st.sets(st.sampled_from(_GROUPS)), st.just("")),
        st.tuples(st.sampled_from(["token", "long token"]), st.just(()), st.just("")),
        st.tuples(st.just("hear"), st.just(()), st.just("")),
    ),
    max_size=10,
)


@dataclass
class Auth:
    """The state of auth for one user and two groups. `unheard` has the entries not yet read."""

    version: int = 1
    own: Compact = ()
    scopes: str = SCOPES
    groups: tuple[str, ...] = ()
    of_groups: dict[str, tuple[int, Compact, str]] = field(
        default_factory=lambda: dict.fromkeys(_GROUPS, (1, (), ""))
    )
    now: int = 1
    unheard: list[tuple[str, str, ReachChange]] = field(default_factory=list)

    def said(self) -> None:
        self.now += 1
        self.version = self.now
        change = ReachChange(self.now, self.own, self.scopes, "ann", self.groups)
        self.unheard.append(("reach", "u1", change))

    def grouped(self, name: str, granted: Compact, scopes: str) -> None:
        self.now += 1
        self.of_groups[name] = (self.now, granted, scopes)
        self.unheard.append(("group", name, ReachChange(self.now, granted, scopes)))

    def token(self, *, short: bool) -> GrantsClaim:
        holder = Holder("u1", "ann")
        parts = tuple(
            GroupPart(
                name,
                self.of_groups[name][0],
                "" if short else self.of_groups[name][2],
                None if short else filled(self.of_groups[name][1], holder),
            )
            for name in self.groups
        )
        return GrantsClaim(self.version, None if short else self.own, self.scopes, "ann", parts)

    def truth(self) -> tuple[Reach, set[str]]:
        found, scopes = list(self.own), set(self.scopes.split())
        for name in self.groups:
            found += filled(self.of_groups[name][1], Holder("u1", "ann"))
            scopes |= set(self.of_groups[name][2].split())
        return reach_of(found), scopes


@settings(max_examples=150)
@given(_STEPS)
def test_whoever_has_heard_all_says_what_auth_says(
    steps: list[tuple[str, object, str]],
) -> None:
    """After the whole feed was read, each token has the reach and the scopes that auth computes.

    The order of changes has no influence, and tokens may be old or omit grants.
    """
    auth, known, tokens = Auth(), KnownReaches(), [GrantsClaim(1, (), SCOPES, "ann")]
    auth.grouped("g1", (), "")
    auth.grouped("g2", (), "")
    auth.said()
    for what, value, scopes in steps:
        if what == "own":
            auth.own, auth.scopes = value, scopes  # type: ignore[assignment]
            auth.said()
        elif what == "groups":
            auth.groups = tuple(sorted(value))  # type: ignore[call-overload]
            auth.said()
        elif what in _GROUPS:
            auth.grouped(what, value, scopes)  # type: ignore[arg-type]
        elif what.endswith("token"):
            tokens.append(auth.token(short=what == "long token"))
            _ask(known, tokens)
        else:
            for entry in auth.unheard:
                known.take(entry[0], "t", *entry[1:])
            auth.unheard.clear()
            _check(known, [*tokens, None], auth)
    for entry in auth.unheard:
        known.take(entry[0], "t", *entry[1:])
    _check(known, [*tokens, None], auth)


def _ask(known: KnownReaches, tokens: list[GrantsClaim]) -> None:
    """Compute reaches between changes, so that the cache has reaches that become invalid."""
    for token in tokens:
        try:
            known.resolve(caller(token))
        except ProblemError as error:
            assert error.problem is UNAVAILABLE  # noqa: PT017 -- nothing else may come


def _check(known: KnownReaches, tokens: list[GrantsClaim | None], auth: Auth) -> None:
    reach, scopes = auth.truth()
    for token in tokens:
        found = known.resolve(caller(token))
        assert found.reach == reach
        assert found.scopes == scopes & set(SCOPES.split())
