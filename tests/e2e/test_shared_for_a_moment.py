"""How long nginx and the service cache responses about links, public files and origins.

Each test sends a request just before a change, so that the response is cached as long as possible.
The test repeats the request after the time that docs/serving.md promises.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.servers.promised import LINK_KEY_SECONDS, ORIGINS_SECONDS, SHARED_SECONDS
from tests.servers.wharf.api_client import SMALL, Answer, ApiClient
from tests.servers.wharf.tenants import Tenants

BUCKET = "shown"


class Shown:
    """A public file with a link, and a client without a credential."""

    def __init__(self, api: ApiClient) -> None:
        self.api, self.anyone = api, api.using(None)
        self.policy(public=True)
        api.stored("file", SMALL, bucket=BUCKET)
        answer = api.send_json("POST", "/v1/links", {"bucket": BUCKET, "key": "file"})
        assert answer.status == 201
        self.link, self.id = answer.json()["url"], answer.json()["id"]
        self.public = f"/public/{api.tenant}/{BUCKET}/file"

    def policy(self, **policy: object) -> None:
        answer = self.api.send_json("PUT", f"/v1/buckets/{BUCKET}", policy)
        assert answer.status in {200, 201}

    def bodies(self) -> list[bytes]:
        """Return the bodies at both addresses, empty for a 404."""
        found = [self.anyone.get(target) for target in (self.link, self.public)]
        return [one.body if one.status == 200 else b"" for one in found]


@pytest.fixture
def shown(api: ApiClient) -> Shown:
    return Shown(api)


def of_a_new_second() -> None:
    """Wait until a second begins: nginx caches the first response of a second for longest."""
    time.sleep(1.02 - time.time() % 1)


CHANGES: dict[str, tuple[Callable[[Shown], object], list[bytes]]] = {
    "deleted": (lambda shown: shown.api.delete("file", bucket=BUCKET), [b"", b""]),
    "replaced": (
        lambda shown: shown.api.stored("file", b"new", bucket=BUCKET),
        [b"new", b"new"],
    ),
    "private": (lambda shown: shown.policy(public=False), [SMALL, b""]),
    "ended": (
        lambda shown: shown.api.request("DELETE", f"/v1/links/{shown.id}"),
        [b"", SMALL],
    ),
}


def test_what_is_shown_is_kept_for_two_seconds(tenants: Tenants) -> None:
    """Each change to a shared file is visible by link and in public after two seconds."""
    shown = {change: Shown(tenants.tenant()) for change in CHANGES}
    of_a_new_second()
    for one in shown.values():
        assert one.bodies() == [SMALL, SMALL]
    over = {}
    for change, (make, _) in CHANGES.items():
        make(shown[change])
        over[change] = time.monotonic() + SHARED_SECONDS
    for change, (_, wanted) in CHANGES.items():
        time.sleep(max(0.0, over[change] - time.monotonic()))
        assert (change, shown[change].bodies()) == (change, wanted)


def test_a_rotated_key_is_kept_for_four_seconds(shown: Shown) -> None:
    """An unlisted link ends at most four seconds after the key that signs links is replaced.

    This applies to every process and to nginx's cache.
    """
    body = {"bucket": BUCKET, "key": "file", "listed": False, "expires_in": 60}
    link = shown.api.send_json("POST", "/v1/links", body).json()["url"]

    def asked(*names: range) -> set[int]:
        """Request the link with these names, and return the statuses.

        A name that was not requested before bypasses nginx's cache.
        """
        wanted = [f"{link}?download={name}" for some in names for name in some]
        return {shown.anyone.get(target).status for target in wanted}

    assert asked(range(16)) == {200}
    assert shown.api.request("POST", "/v1/links/rotate").status == 204
    over = time.monotonic() + LINK_KEY_SECONDS
    time.sleep(1.5)
    asked(range(16, 32))
    time.sleep(max(0.0, over - time.monotonic()))
    assert asked(range(32, 48), range(48)) == {404}


def test_what_is_not_there_is_kept_for_two_seconds(shown: Shown) -> None:
    """A new file is visible after two seconds by link and in public, despite a cached 404."""
    shown.api.delete("file", bucket=BUCKET)
    time.sleep(SHARED_SECONDS)
    of_a_new_second()
    assert shown.bodies() == [b"", b""]
    shown.api.stored("file", b"back", bucket=BUCKET)
    time.sleep(SHARED_SECONDS)
    assert shown.bodies() == [b"back", b"back"]


def reads(shown: Shown, origin: str) -> list[Answer]:
    """Send a preflight, a caller's GET and a public GET from a page of the origin."""
    address, asked = f"/v1/files/{BUCKET}/file", {"Origin": origin}
    return [
        shown.anyone.request("OPTIONS", address, headers=asked),
        shown.api.get(address, asked),
        shown.anyone.get(shown.public, asked),
    ]


def refusal(shown: Shown, origin: str) -> list[Answer]:
    """Request nginx's own 405. nginx asks the service which origins may read the 405."""
    return [shown.anyone.request("PROPFIND", shown.public, headers={"Origin": origin})]


def test_origins_are_kept_for_five_seconds(shown: Shown) -> None:
    """A change of the listed origins applies to all responses after five seconds."""
    added, dropped = (f"https://{name}.{shown.api.tenant}.example" for name in ("added", "dropped"))

    def allowed(answers: Callable[[Shown, str], list[Answer]]) -> list[set[bool]]:
        """Tell for the added and the dropped origin whether its pages may read the responses."""
        found = [(origin, answers(shown, origin)) for origin in (added, dropped)]
        return [
            {one.headers["Access-Control-Allow-Origin"] == origin for one in told}
            for origin, told in found
        ]

    shown.policy(public=True, cors_origins=[dropped])
    time.sleep(1.2 - time.time() % 1)
    # A process caches the origins for this time. nginx asks again shortly before the cache expires.
    assert allowed(reads) == [{False}, {True}]
    shown.policy(public=True, cors_origins=[added])
    over = time.monotonic() + ORIGINS_SECONDS
    time.sleep(2.02 - time.time() % 1)
    allowed(refusal)
    time.sleep(max(0.0, over - time.monotonic()))
    assert allowed(reads) == allowed(refusal) == [{True}, {False}]


def test_what_browsers_and_caches_are_told(shown: Shown) -> None:
    """A preflight may be cached for ten minutes, a public file for two seconds.

    Only the client's own cache may keep the response of a link.
    """
    shown.policy(public=True, cors_origins=["https://app.example"])
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    address = f"/v1/files/{BUCKET}/file"
    preflight = shown.anyone.request("OPTIONS", address, headers=asked)
    time.sleep(0 if preflight.headers["Access-Control-Max-Age"] else ORIGINS_SECONDS)
    preflight = shown.anyone.request("OPTIONS", address, headers=asked)
    assert preflight.header("Access-Control-Max-Age") == "600"
    public = shown.anyone.get(shown.public)
    assert public.header("Cache-Control") == "public, max-age=2, must-revalidate"
    assert shown.anyone.get(shown.link).header("Cache-Control") == "private, no-cache"
    key_set = shown.anyone.get("/.well-known/jwks.json")
    assert key_set.header("Cache-Control") == "public, max-age=300"
