"""schemathesis against both OpenAPI documents through the gateway.

schemathesis makes valid and invalid requests from the
documents, and compares the responses with the documents.

Each run makes new requests and prints its seed. `--hypothesis-seed=SEED` repeats the requests.
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

# The number of requests of each operation. Two of three requests are valid, and the third has an
# invalid part. Hypothesis draws DRAWN of them. The others combine parts of the drawn requests,
# because this costs little.
EXAMPLES = 200
DRAWN = 50
# The number of parts of each document. Parts have separate objects and run in any order.
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
# Fields whose valid values are unlikely to be generated.
FIELDS = {
    "Tus-Resumable": ("1.0.0",),
    "Upload-Offset": ("0", "3"),
    "Upload-Length": ("10", "0"),
    # With ?0 a PUT begins an upload, and its 201 has no body, which OpenAPI cannot describe.
    "Upload-Complete": ("?1",),
    "Upload-Metadata": ("filename YS50eHQ=", "bucket cGhvdG9z,key YS50eHQ="),
}
# Operations that remove objects run last, and these operations, which remove many, last of all.
LAST = {
    "DELETE /auth/v1/tenants/{tenant}",
    "POST /v1/links/rotate",
    # This operation could set a low limit, and Wharf would then refuse all further requests.
    "PUT /v1/tenants/{tenant}/limits",
}
# The only receiver of webhooks that the fuzzed Wharf may use; it refuses all connections.
RECEIVER = "127.0.0.1:9"
DRAWING = settings(
    max_examples=DRAWN,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def chosen(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> int:
    """Return the seed of all examples, from --hypothesis-seed or at random, and print the seed."""
    wanted = request.config.getoption("--hypothesis-seed")
    number = int(wanted) if wanted else random.SystemRandom().getrandbits(32)
    with capsys.disabled():
        sys.stdout.write(f"\n{request.node.name}: --hypothesis-seed={number}\n")
    return number


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Wharf]:
    """Start a separate Wharf, because the requests may change it in any way."""
    with running(
        WHARF_CLIENT_REQUESTS_PER_MINUTE="1000000",
        # The default limits would delay or refuse a client that tries so many names and passwords.
        WHARF_LOGIN_NETWORK_ACCOUNTS="1000",
        WHARF_LOGIN_FREE_FAILURES="1000",
        WHARF_ADDRESS_LOGINS_PER_SECOND="1000",
        WHARF_WEBHOOK_ALLOW=RECEIVER,
    ) as found:
        yield found


@schemathesis.serializer("application/offset+octet-stream", "application/partial-upload")
def serialized(_: Any, value: Any) -> bytes:
    """Return bytes unchanged, because schemathesis can only serialize common media types."""
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass
class World:
    """The credentials, the known names for each parameter of a path, and the observed statuses."""

    token: str
    names: dict[str, tuple[str, ...]]
    #: The token for single operations, by the label of the operation; "" means no token.
    people: dict[str, str] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    sent: Counter[str] = field(default_factory=Counter)


def new_world(wharf: Wharf, address: str) -> World:
    """Return the world for a part of a document: a token with all scopes, and existing objects."""
    if address == "/openapi.json":
        return _files_world(Signer(wharf))
    return _accounts_world(Tenants(wharf))


def _files_world(signer: Signer) -> World:
    scope = " ".join((*ALL_SCOPES, "events:read", "webhooks:admin", "tenants:admin"))
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
    hook = api.send_json("POST", "/v1/webhooks", {"url": f"http://{RECEIVER}/hook"})
    endpoint = hook.json()["endpoint"]["id"]
    test = api.request("POST", f"/v1/webhooks/{endpoint}/test", b"")
    names = {
        "bucket": ("default", "photos"),
        "key": KEYS,
        "tenant": (api.tenant,),
        "token": (token,),
        "link": (link.json()["id"],),
        "ticket": (ticket,),
        "upload": (upload,),
        "endpoint": (endpoint,),
        "delivery": (test.json()["id"],),
    }
    # A ticket in the path is the credential, and Wharf refuses a second credential.
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
    """Return two lists of requests that Hypothesis draws for one operation: valid and invalid."""
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
    """Return a request that takes each of its parts from any of these requests."""
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
    """Return the base part, in which each value comes from a random one of the other parts."""
    named = [one for one in others if isinstance(one, Mapping)]
    return type(base)(
        {name: dice.choice([one[name] for one in named if name in one]) for name in base}
    )


def requests_of(operation: Any, chosen: int, dice: random.Random) -> list[Any]:
    """Return the required number of requests of one operation."""
    kinds = drawn(operation, chosen)
    found = [case for kind in kinds for case in kind]
    if takes_nothing(operation):
        return found
    # The combined requests keep the proportion of valid and invalid requests.
    sizes = [len(kind) for kind in kinds]
    more = dice.choices(kinds, sizes, k=EXAMPLES - len(found))
    return [*found, *(recombined(kind, dice) for kind in more)]


def changed(case: Any, dice: random.Random, world: World) -> None:
    """Set a credential and some existing names in a request."""
    token = world.people.get(case.operation.label, world.token)
    if token:
        case.headers["Authorization"] = f"Bearer {token}"
    else:
        case.headers.pop("Authorization", None)
    for name in case.path_parameters:
        # With random names alone every request would get 404.
        known = dice.choice((None, *world.names.get(name, ())))
        case.path_parameters[name] = known or case.path_parameters[name]
    for name, values in FIELDS.items():
        if name in case.headers:
            case.headers[name] = dice.choice((case.headers[name], *values))
    if str(case.headers.get("Upload-Complete", "")).startswith("?0"):
        case.headers["Upload-Complete"] = "?1"


def failures(operation: Any, world: World, session: requests.Session, chosen: int) -> list[str]:
    """Return the faults in one operation's responses, each with the first request that had it."""
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
    """Tell whether an operation has no parameters and no body."""
    parts = (operation.path_parameters, operation.query, operation.headers, operation.body)
    return not any(list(part) for part in parts)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Yield a session with persistent connections and without cookies, proxies or passwords."""
    with requests.Session() as made:
        made.trust_env = False
        made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield made


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("address", documented.DOCUMENTS)
def test_documents_are_true(
    fuzzed: Wharf, session: requests.Session, chosen: int, address: str, part: int
) -> None:
    """The document declares every response to a request made from it, and no response is a 5xx."""
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
    # If an operation has no success, its test is weak. Some operations need values that
    # schemathesis does not generate.
    well = [label for label, seen in world.seen.items() if min(seen) < 300]
    assert len(well) > len(world.seen) / 2, world.seen
