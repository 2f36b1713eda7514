"""What nginx and the service keep of links, public files and origins: so long, and no longer.

Each answer is asked for just before a change, so that it is kept for as long as it may be, and
again when the time that docs/serving.md promises is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.servers.promised import LINK_KEY_SECONDS, ORIGINS_SECONDS, SHARED_SECONDS
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.tenants import Tenants

BUCKET = "shown"


class Shown:
    """A file that is public and has a link, and who has no credential."""

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
        """What is shown at both addresses; nothing where it is a 404."""
        found = [self.anyone.get(target) for target in (self.link, self.public)]
        return [one.body if one.status == 200 else b"" for one in found]


@pytest.fixture
def shown(api: ApiClient) -> Shown:
    return Shown(api)


def of_a_new_second() -> None:
    """Waits for a second to begin: nginx keeps an answer longest that came first in it."""
    time.sleep(1.02 - time.time() % 1)


CHANGES: dict[str, tuple[Callable[[Shown], object], list[bytes], float]] = {
    "deleted": (lambda shown: shown.api.delete("file", bucket=BUCKET), [b"", b""], SHARED_SECONDS),
    "replaced": (
        lambda shown: shown.api.stored("file", b"new", bucket=BUCKET),
        [b"new", b"new"],
        SHARED_SECONDS,
    ),
    "private": (lambda shown: shown.policy(public=False), [SMALL, b""], SHARED_SECONDS),
    "ended": (
        lambda shown: shown.api.request("DELETE", f"/v1/links/{shown.id}"),
        [b"", SMALL],
        SHARED_SECONDS,
    ),
    "rotated": (
        lambda shown: shown.api.request("POST", "/v1/links/rotate"),
        [b"", SMALL],
        LINK_KEY_SECONDS,
    ),
}


def test_what_is_shown_is_kept_for_so_long(tenants: Tenants) -> None:
    """Each change holds at links and in public when its time is over, by the first request then."""
    shown = {change: Shown(tenants.tenant()) for change in CHANGES}
    of_a_new_second()
    for one in shown.values():
        assert one.bodies() == [SMALL, SMALL]
    over = {}
    for change, (make, _, seconds) in CHANGES.items():
        make(shown[change])
        over[change] = time.monotonic() + seconds
    # A rotated key is asked for in between, so that nginx keeps what the process remembers.
    time.sleep(LINK_KEY_SECONDS - SHARED_SECONDS - 0.5)
    shown["rotated"].bodies()
    for change, (_, wanted, _) in CHANGES.items():
        time.sleep(max(0.0, over[change] - time.monotonic()))
        assert (change, shown[change].bodies()) == (change, wanted)


def test_what_is_not_there_is_kept_for_two_seconds(shown: Shown) -> None:
    """A file that comes is shown by link and in public within the same time."""
    shown.api.delete("file", bucket=BUCKET)
    time.sleep(SHARED_SECONDS)
    of_a_new_second()
    assert shown.bodies() == [b"", b""]
    shown.api.stored("file", b"back", bucket=BUCKET)
    time.sleep(SHARED_SECONDS)
    assert shown.bodies() == [b"back", b"back"]


@pytest.mark.parametrize("lists", [True, False], ids=["added", "taken away"])
def test_origins_are_kept_for_five_seconds(shown: Shown, *, lists: bool) -> None:
    """A change of the list holds in five seconds: for preflights, files and nginx's refusals."""
    origin = f"https://{shown.api.tenant}.example"
    asked = {"Origin": origin}

    def allowed() -> list[bool]:
        """A preflight, a caller's answer, a public file, and a 405 that nginx makes."""
        address = f"/v1/files/{BUCKET}/file"
        answers = (
            shown.anyone.request("OPTIONS", address, headers=asked),
            shown.api.get(address, asked),
            shown.anyone.get(shown.public, asked),
            shown.anyone.request("PROPFIND", shown.public, headers=asked),
        )
        return [one.headers["Access-Control-Allow-Origin"] == origin for one in answers]

    before = {"public": True, "cors_origins": [] if lists else [origin]}
    after = {"public": True, "cors_origins": [origin] if lists else []}
    shown.policy(**before)
    time.sleep(0 if lists else ORIGINS_SECONDS)
    of_a_new_second()
    assert allowed() == [not lists] * 4
    shown.policy(**after)
    time.sleep(1.8)
    # What a process remembers is given to nginx at the last moment.
    allowed()
    time.sleep(ORIGINS_SECONDS - 1.8)
    assert allowed() == [lists] * 4


def test_what_browsers_and_caches_are_told(shown: Shown) -> None:
    """A preflight is for ten minutes, a public file for two seconds, a link for nobody else."""
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
