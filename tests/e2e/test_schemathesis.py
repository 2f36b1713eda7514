"""schemathesis against both OpenAPI documents through the gateway: it makes requests from what the
documents say, good ones and bad ones, and compares the answers with the documents.

The requests of each run are new. The seed is printed: --hypothesis-seed=SEED repeats them.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import DataObject, data, sampled_from
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.servers.wharf import documented
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import ALL_SCOPES, Signer, Tenants

# Requests of each operation: two of three as the document says, the third with something that is
# not. Hypothesis draws the first ones; the others take their parts from those, which costs little.
EXAMPLES = 200
DRAWN = 50
# Each part of a document is tried with things of its own, so that parts need no order.
PARTS = 4
MODES = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NAMED = {"Upload-Metadata": "filename YS50eHQ="}
KEYS = ("a.txt", "folder/b.txt")
# Fields whose good values a machine does not find.
FIELDS = {
    "Tus-Resumable": ("1.0.0",),
    "Upload-Offset": ("0", "3"),
    "Upload-Length": ("10", "0"),
    # With ?0 a PUT begins an upload, and its 201 has no body, which OpenAPI has no words for.
    "Upload-Complete": ("?1",),
    "Upload-Metadata": ("filename YS50eHQ=", "bucket cGhvdG9z,key YS50eHQ="),
}
# What removes things comes last, and of that what takes others along with it.
LAST = {
    "DELETE /auth/v1/tenants/{tenant}",
    "POST /v1/links/rotate",
    # Few requests a minute, and all that follow are refused.
    "PUT /v1/tenants/{tenant}/limits",
}
DRAWING = settings(
    max_examples=DRAWN,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def chosen(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> int:
    """The seed of all examples: that of --hypothesis-seed, or a new one, which is printed."""
    wanted = request.config.getoption("--hypothesis-seed")
    number = int(wanted) if wanted else random.SystemRandom().getrandbits(32)
    with capsys.disabled():
        sys.stdout.write(f"\n{request.node.name}: --hypothesis-seed={number}\n")
    return number


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Wharf]:
    """A Wharf of its own: what is thrown at it may do to it what it likes."""
    with running(
        WHARF_CLIENT_REQUESTS_PER_MINUTE="1000000",
        # Whoever tries this many names and passwords is kept waiting, or out.
        WHARF_LOGIN_NETWORK_ACCOUNTS="1000",
        WHARF_LOGIN_FREE_FAILURES="1000",
        WHARF_ADDRESS_LOGINS_PER_SECOND="1000",
    ) as found:
        yield found


@schemathesis.serializer("application/offset+octet-stream", "application/partial-upload")
def serialized(_: Any, value: Any) -> bytes:
    """Bytes as they are: schemathesis knows the common media types alone."""
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass
class World:
    """Who asks, which names there are for each parameter of a path, which statuses were seen."""

    token: str
    names: dict[str, tuple[str, ...]]
    #: Other tokens, or none at all, by the operation's label.
    people: dict[str, str] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    sent: Counter[str] = field(default_factory=Counter)


def new_world(wharf: Wharf, address: str) -> World:
    """For a part of a document: a token with all scopes, and things that are there."""
    if address == "/openapi.json":
        return _files_world(Signer(wharf))
    return _accounts_world(Tenants(wharf))


def _files_world(signer: Signer) -> World:
    scope = " ".join((*ALL_SCOPES, "events:read", "tenants:admin"))
    api = signer.client(scope=scope)
    for bucket in ("default", "photos"):
        answer = api.send_json("PUT", f"/v1/buckets/{bucket}", {"public": True})
        assert answer.status in (200, 201)
        for key in KEYS:
            api.stored(key, bucket=bucket)
    link = api.send_json("POST", "/v1/links", {"bucket": "photos", "prefix": ""})
    token = link.json()["url"].rstrip("/").rpartition("/")[2]
    beginning = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
    begun = api.request("POST", "/v1/uploads", b"", {**beginning, **NAMED})
    upload = begun.header("Location").rpartition("/")[2]
    ticket = signer.token(tid=api.tenant, scope=scope, ticket={"bucket": "photos", "prefix": "in/"})
    names = {
        "bucket": ("default", "photos"),
        "key": KEYS,
        "tenant": (api.tenant,),
        "token": (token,),
        "link": (link.json()["id"],),
        "ticket": (ticket,),
        "upload": (upload,),
    }
    # A ticket in the path is the credential; two are one too many.
    alone = ("POST /u/{ticket}", "PUT /u/{ticket}", "PUT /u/{ticket}/{key}")
    return World(str(api.token), names, dict.fromkeys(alone, ""))


def _accounts_world(tenants: Tenants) -> World:
    tenant = tenants.tenant().tenant
    password = {"password": "a long password"}
    made = {}
    for name, role in (("fuzzed", "viewer"), ("kept", "owner")):
        user = {"username": name, "role": role, **password}
        answer = tenants.admin.send_json("POST", f"/auth/v1/tenants/{tenant}/users", user)
        assert answer.status == 201, answer.body
        made[name] = answer.json()["user_id"]
    person = {"tenant": tenant, "username": "kept", **password}
    login = tenants.admin.using(None).send_json("POST", "/auth/login", person)
    assert login.status == 200, login.body
    clients = tenants.admin.get(f"/auth/v1/tenants/{tenant}/clients").json()["clients"]
    of_people = ("GET /auth/me", "GET /auth/sessions", "DELETE /auth/sessions/{session}")
    ids = tuple(client["client_id"] for client in clients)
    target = f"/auth/v1/tenants/{tenant}/clients/{ids[0]}/secrets"
    secrets = tenants.admin.get(target).json()["secrets"]
    group = {"name": "fuzzed", "grants": [], "scopes": []}
    groups = tenants.admin.send_json("POST", f"/auth/v1/tenants/{tenant}/groups", group)
    assert groups.status == 201, groups.body
    names = {
        "tenant": (tenant,),
        "group": (groups.json()["group_id"],),
        "subject": (made["kept"], *ids),
        "client": ids,
        "secret": tuple(secret["secret_id"] for secret in secrets),
        "user": (made["fuzzed"],),
        "issuer_path": ("auth",),
    }
    people = dict.fromkeys(of_people, str(login.json()["access_token"]))
    return World(str(tenants.admin.token), names, people)


def drawn(operation: Any, chosen: int) -> list[list[Any]]:
    """Requests of one operation that Hypothesis draws: a list of good ones and one of bad ones."""
    kinds = {mode: operation.as_strategy(generation_mode=mode) for mode in GenerationMode}
    found: dict[GenerationMode, list[Any]] = defaultdict(list)

    @seed(chosen)
    @DRAWING
    @given(data())
    def probe(draw: DataObject) -> None:
        mode = draw.draw(sampled_from(MODES))
        found[mode].append(draw.draw(kinds[mode]))

    probe()
    return list(found.values())


def recombined(cases: list[Any], dice: random.Random) -> Any:
    """A request of which each part is of one of these."""
    host = dice.choice(cases)
    body = host.body
    if isinstance(body, dict) and not host.multipart_content_types:
        body = mixed(body, [one.body for one in cases if one.media_type == host.media_type], dice)
    parts = {
        part: mixed(getattr(dice.choice(cases), part), [getattr(one, part) for one in cases], dice)
        for part in ("path_parameters", "query", "headers", "cookies")
    }
    same = {"media_type": host.media_type, "multipart_content_types": host.multipart_content_types}
    return host.operation.Case(body=body, **parts, **same)


def mixed(base: Any, others: list[Any], dice: random.Random) -> Any:
    """The names of one part, each with the value that it has in one of the others."""
    named = [one for one in others if isinstance(one, Mapping)]
    return type(base)(
        {name: dice.choice([one[name] for one in named if name in one]) for name in base}
    )


def requests_of(operation: Any, chosen: int, dice: random.Random) -> list[Any]:
    """As many requests of one operation as there have to be."""
    kinds = drawn(operation, chosen)
    found = [case for kind in kinds for case in kind]
    if takes_nothing(operation):
        return found
    # As many of each kind as were drawn.
    sizes = [len(kind) for kind in kinds]
    more = dice.choices(kinds, sizes, k=EXAMPLES - len(found))
    return [*found, *(recombined(kind, dice) for kind in more)]


def changed(case: Any, dice: random.Random, world: World) -> None:
    """Gives a request a credential and some names that there are."""
    token = world.people.get(case.operation.label, world.token)
    if token:
        case.headers["Authorization"] = f"Bearer {token}"
    else:
        case.headers.pop("Authorization", None)
    for name in case.path_parameters:
        # Random names alone would only ever be answered with 404.
        known = dice.choice((None, *world.names.get(name, ())))
        case.path_parameters[name] = known or case.path_parameters[name]
    for name, values in FIELDS.items():
        if name in case.headers:
            case.headers[name] = dice.choice((case.headers[name], *values))
    if str(case.headers.get("Upload-Complete", "")).startswith("?0"):
        case.headers["Upload-Complete"] = "?1"


def failures(operation: Any, world: World, session: requests.Session, chosen: int) -> list[str]:
    """What is wrong with the answers of one operation: of each fault the first request."""
    found: dict[tuple[str, ...], str] = {}
    dice = random.Random(f"{chosen} {operation.label}")
    for case in requests_of(operation, chosen, dice):
        changed(case, dice, world)
        response = case.call(session=session)
        world.sent[operation.label] += 1
        world.seen[operation.label].add(response.status_code)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            fault = tuple(sorted(f"{one.title}: {one.message}" for one in group.exceptions))
            found.setdefault(fault, f"{operation.label}: {group}")
    return list(found.values())


def takes_nothing(operation: Any) -> bool:
    """Whether all requests of an operation are the same."""
    parts = (operation.path_parameters, operation.query, operation.headers, operation.body)
    return not any(list(part) for part in parts)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Connections that are kept, without anybody's cookies, proxies or passwords."""
    with requests.Session() as made:
        made.trust_env = False
        made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield made


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("address", documented.DOCUMENTS)
def test_documents_are_true(
    fuzzed: Wharf, session: requests.Session, chosen: int, address: str, part: int
) -> None:
    """No request made from a document gets an answer that the document lacks, or a 5xx."""
    schema = schemathesis.openapi.from_url(f"{fuzzed.url}{address}")
    operations: list[Any] = [
        found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)
    ]
    operations.sort(key=lambda one: (one.label in LAST, one.method == "delete", one.label))
    operations = operations[part::PARTS]
    assert len(operations) > 5
    world = new_world(fuzzed, address)
    found = [line for one in operations for line in failures(one, world, session, chosen)]
    if found:
        pytest.fail("\n\n".join((f"--hypothesis-seed={chosen} repeats it", *found)))
    few = {one.label: world.sent[one.label] for one in operations if not takes_nothing(one)}
    assert min(few.values()) >= EXAMPLES, few
    # What is never once answered well is not tested well; some need what a machine does not find.
    well = [label for label, seen in world.seen.items() if min(seen) < 300]
    assert len(well) > len(world.seen) / 2, world.seen
