"""Grants and groups in tokens, and the reach that followers of the feed compute from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from click.testing import CliRunner, Result

from servicekit.grants import Grant
from servicekit.grants_claim import MAX_CLAIM_BYTES
from servicekit.problems import ProblemError
from servicekit.reaches import KnownReaches
from servicekit.tokens import MAX_TOKEN_BYTES, NARROWS, Principal
from tests.servers.auth import AuthService, refused
from tests.servers.people import logged_in, person
from tests.unit.auth.test_live_tokens import live
from tests.unit.auth.test_token_exchange import exchange, exchanged, token, verified
from wharf_auth.accounts import clients, grants, groups
from wharf_auth.accounts.grants import Standing
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.accounts.users import UserService
from wharf_auth.cli import cli
from wharf_auth.database.groups_contract import Group
from wharf_auth.domain.acts import CLI, Actor
from wharf_auth.domain.tickets import TicketError

BY = Actor(CLI)
OWN = (Grant("photos", ("read", "list"), "users/{user_id}/"), Grant("papers", ("read",), "a/"))
INBOX = (Grant("photos", ("write",), "inbox/"),)
LONG = tuple(Grant("photos", ("read",), f"{number}/{'x' * 90}/") for number in range(30))


def limit(auth: AuthService, *given: Grant, client: str = "wharf-demo") -> None:
    """Set the grants of a client of the demo tenant."""
    wanted = clients.Change(grants=given)
    clients.change(auth.records, auth.clock, "demo", client, wanted, BY)


def group(auth: AuthService, *members: str, scopes: tuple[str, ...] = (), name: str = "x") -> Group:
    """Create a group with one grant, for the prefix `inbox/`, and return it."""
    made = groups.create(
        auth.records, auth.clock, tenant="demo", name=name, wanted=scopes, given=INBOX, by=BY
    )
    groups.change_members(auth.records, auth.clock, "demo", made.id, add=members, by=BY)
    return made


def people(auth: AuthService) -> UserService:
    return UserService(auth.records, Hasher(), auth.clock)


def standing(auth: AuthService, subject: str) -> Standing:
    found = grants.of_subject(auth.records, "demo", subject)
    assert found is not None
    return found


def claims_of(text: str) -> dict[str, Any]:
    """Return a token's claims without PyJWT, which refuses a token with an unknown extension."""
    claims: dict[str, Any] = json.loads(jwt.utils.base64url_decode(text.split(".")[1]))
    return claims


def header_of(text: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(jwt.utils.base64url_decode(text.split(".", maxsplit=1)[0]))
    return header


def resolved(auth: AuthService, text: str) -> Principal:
    """Return a token's principal as the upload service computes it after it has read the feed."""
    known = KnownReaches()
    for entry in auth.records.feed(after=0, limit=1000).entries:
        if entry.reach is not None:
            known.take(entry.kind, entry.tenant, entry.id, entry.reach)
    return known.resolve(verified(auth, text))


def test_whoever_has_no_list_has_no_claim(auth: AuthService) -> None:
    """The token of a subject without a list of grants has no claim `grants` and no `crit`."""
    for text in (token(auth), logged_in(auth).token):
        assert verified(auth, text).grants is None
        assert "crit" not in header_of(text)


def test_a_token_says_what_its_client_reaches(auth: AuthService) -> None:
    """A token has its client's and groups' grants, also when it has fewer scopes. Its header marks
    the claim `grants` as one that every verifier must understand.
    """
    limit(auth, *INBOX)
    team = group(auth, "wharf-demo", scopes=("events:read",))
    for scope in ("", "files:read", "events:read"):
        text = token(auth, scope=scope)
        assert header_of(text)[NARROWS] == ["grants"]
        seen = verified(auth, text)
        assert seen.grants == standing(auth, "wharf-demo").claim()
        assert seen.grants is not None
        assert seen.grants.own == (("photos", "inbox/", "w"),)
        assert [part.group for part in seen.grants.groups] == [team.id]
        assert scope in seen.scopes or (not scope and {"events:read", "files:write"} <= seen.scopes)
    refused(auth.post_token({"scope": "members:admin"}), 400, "invalid_scope")


def test_a_person_learns_of_a_change_by_refreshing(auth: AuthService) -> None:
    """A person's next token after a refresh contains the changed grants; the session continues."""
    ada = person(auth, role="viewer")
    refresh = ada.refresh_token()
    people(auth).set_grants("demo", ada.id, OWN, BY)
    team = group(auth, ada.id, scopes=("files:write",))
    assert verified(auth, ada.token).grants is None
    for scope in ("", "files:write"):
        refresh = ada.refresh(refresh, scope=scope).get_json()["refresh_token"]
        claim = verified(auth, ada.token).grants
        assert claim is not None
        assert (claim.own or ())[0] == ("photos", f"users/{ada.id}/", "rl")
        assert (claim.username, claim.scopes) == ("ada", "files:read")
        assert [part.group for part in claim.groups] == [team.id]
    assert verified(auth, ada.token).scopes == {"files:write"}
    groups.delete(auth.records, auth.clock, "demo", team.id, BY)
    refused(ada.refresh(refresh, scope="files:write"), 400, "invalid_scope")


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_exchanged_carries_the_grants_of_now(auth: AuthService, when: str) -> None:
    """A token exchange issues the current grants, even for a token from before a change."""
    older = token(auth)
    limit(auth, *INBOX)
    subject = older if when == "before" else token(auth)
    now = standing(auth, "wharf-demo").claim()
    place = {"bucket": "photos", "prefix": "inbox/2026/"}
    ticket = exchanged(auth, subject, place)
    narrower = exchanged(auth, ticket, {"bucket": "photos", "key": "inbox/2026/x"})
    for text in (exchanged(auth, subject, scope="files:read"), ticket, narrower):
        assert verified(auth, text).grants == now
    claims = claims_of(live(auth, subject))
    assert claims["grants"]["own"] == [["photos", "inbox/", "w"]]


def test_a_ticket_is_for_what_its_maker_may_write(auth: AuthService) -> None:
    """A ticket for a place that is not entirely inside the grants is refused."""
    ticket = exchanged(auth, token(auth), {"bucket": "photos", "prefix": ""})
    limit(auth, OWN[1], *INBOX)
    for place in (
        {"bucket": "photos", "prefix": ""},
        {"bucket": "photos", "prefix": "inbox"},
        {"bucket": "photos", "key": "inbo"},
        {"bucket": "papers", "key": "a/x"},
        {"bucket": "others", "prefix": "inbox/"},
    ):
        for subject in (token(auth), ticket):
            refused(exchange(auth, subject, place), 400, "invalid_request")
    exchanged(auth, ticket, {"bucket": "photos", "key": "inbox/x"})


def test_an_operators_ticket_is_within_the_clients_grants(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ticket create --client` gives the ticket the client's grants and refuses a wider ticket."""
    monkeypatch.setenv("WHARF_DATA", str(auth.settings.data))
    limit(auth, *INBOX)

    def made(prefix: str, *arguments: str) -> Result:
        command = ["ticket", "create", "demo/photos", "--prefix", prefix, "--json", *arguments]
        return CliRunner().invoke(cli, command)

    text = json.loads(made("inbox/", "--client", "wharf-demo").output)["ticket"]
    claims = claims_of(text)
    assert claims["grants"]["own"] == [["photos", "inbox/", "w"]]
    assert isinstance(made("", "--client", "wharf-demo").exception, TicketError)
    assert made("").exit_code == 0


def test_scopes_that_are_taken_away_count_at_once(auth: AuthService) -> None:
    """An administrator's token gets 403 as soon as its client has lost the scope."""
    assert auth.admin("GET", "/tenants").status_code == 200
    wanted = clients.Change(scopes=["files:read"])
    clients.change(auth.records, auth.clock, "wharf-admin", "wharf-admin", wanted, BY)
    assert auth.admin("GET", "/tenants").status_code == 403


def leave(auth: AuthService, ada: str) -> None:
    for one in auth.records.groups("demo", after="", limit=99):
        groups.remove_member(auth.records, auth.clock, "demo", one.id, ada, BY)


STEPS: dict[str, Callable[[AuthService, str], object]] = {
    "limited": lambda auth, ada: people(auth).set_grants("demo", ada, OWN, BY),
    "joined": lambda auth, ada: group(auth, ada, scopes=("files:write",), name="one"),
    "long": lambda auth, ada: people(auth).set_grants("demo", ada, LONG, BY),
    "many": lambda auth, ada: [group(auth, ada, name=f"n{number}") for number in range(15)],
    "wide": lambda auth, _: [
        groups.change(
            auth.records, auth.clock, "demo", one.id, groups.Change(grants=LONG[number:]), BY
        )
        for number, one in enumerate(auth.records.groups("demo", after="", limit=99))
    ],
    "promoted": lambda auth, ada: people(auth).set_grants("demo", ada, None, BY),
    "left": leave,
    "nothing": lambda auth, ada: people(auth).set_grants("demo", ada, (), BY),
}


def test_followers_come_to_what_auth_says(auth: AuthService) -> None:
    """After each change upload computes auth's reach and scopes from each older token."""
    ada = person(auth, role="viewer")
    refresh = ada.refresh_token()
    tokens = [ada.token]
    for step, change in STEPS.items():
        change(auth, ada.id)
        refresh = ada.refresh(refresh).get_json()["refresh_token"]
        tokens.append(ada.token)
        now = standing(auth, ada.id)
        for text in tokens:
            seen = resolved(auth, text)
            assert seen.reach == now.reach, step
            assert seen.scopes == verified(auth, text).scopes & set(now.scopes), step
        claim = verified(auth, ada.token).grants
        assert (
            claim is None
            or len(json.dumps(claims_of(ada.token)["grants"])) <= MAX_CLAIM_BYTES * 1.1
        )
        assert len(ada.token) < MAX_TOKEN_BYTES
        auth.clock.now += 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (Grant("photos", ()), "grants[1]: It allows no action"),
        (Grant("photos", ("read",), "a/../b"), "grants[1]: "),
        (Grant("photos", ("read",), "e\u0301/"), "grants[1]: The prefix is not in Unicode NFC"),
        (Grant("photos", ("read",), "{name}/"), "grants[1]: '{name}' is no placeholder"),
        (Grant("photos", ("read",), "{client}/"), "grants[1]: A person has no {client}."),
        (Grant("photos", ("read",), 5 * ("x" * 200 + "/") + "{user_id}"), "grants[1]: "),
        (Grant("Photos", ("read",)), "grants[1]: "),
    ],
)
def test_bad_grants_are_named(auth: AuthService, given: Grant, reason: str) -> None:
    """A bad grant of a user is refused with the entry and the reason, and changes nothing."""
    ada = person(auth)
    with pytest.raises(ProblemError) as caught:
        people(auth).set_grants("demo", ada.id, (OWN[0], given), BY)
    assert caught.value.problem.status == 422
    assert caught.value.detail.startswith(reason)
    assert auth.records.user("demo", ada.id) == people(auth).read("demo", ada.id)
    assert people(auth).read("demo", ada.id).grants is None


def test_what_groups_do_not_take(auth: AuthService) -> None:
    """A group refuses the scope `members:admin`, unknown members, and a prefix that is too long."""
    ada = person(auth, username="a" * 200)
    team = group(auth, ada.id)
    long = Grant("photos", ("read",), 4 * ("x" * 220 + "/") + "{username}/")
    records, clock = auth.records, auth.clock

    def change(**members: object) -> None:
        wanted = groups.Change(**members)  # type: ignore[arg-type]
        groups.change(records, clock, "demo", team.id, wanted, BY)

    calls: list[tuple[str, Callable[[], object]]] = [
        ("does not give the scope members:admin", lambda: change(scopes=["members:admin"])),
        ("unknown scope", lambda: change(scopes=["x"])),
        ("This concerns the member", lambda: change(grants=[long])),
        ("no user or client 'absent'", lambda: moved(add=("absent",))),
        ("both adds and removes", lambda: moved(add=(ada.id,), remove=(ada.id,))),
        ("at most 1000 members", lambda: moved(add=tuple(map(str, range(1001))))),
        ("has a group X already", lambda: group(auth, name="X")),
    ]

    def moved(add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        groups.change_members(records, clock, "demo", team.id, add=add, remove=remove, by=BY)

    for reason, call in calls:
        with pytest.raises(ProblemError) as caught:
            call()
        assert reason in str(caught.value.detail)
    change(grants=[Grant("photos", ("read",), "{username}/")])
    assert standing(auth, ada.id).grants is None
