"""What nginx and the service keep of links, public files and origins: so long, and no longer.

Each answer is asked for just before a change, so that it is kept for as long as it may be, and
again when the time that docs/serving.md promises is over.
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
    """Each change holds at links and in public when its time is over, by the first request then."""
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
    """A link without a row ends with its key: in every process, and in what nginx keeps of them."""
    body = {"bucket": BUCKET, "key": "file", "listed": False, "expires_in": 60}
    link = shown.api.send_json("POST", "/v1/links", body).json()["url"]

    def asked(*names: range) -> set[int]:
        """What is answered; each name of the download is asked for anew, of any process."""
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
    """A file that comes is shown by link and in public within the same time."""
    shown.api.delete("file", bucket=BUCKET)
    time.sleep(SHARED_SECONDS)
    of_a_new_second()
    assert shown.bodies() == [b"", b""]
    shown.api.stored("file", b"back", bucket=BUCKET)
    time.sleep(SHARED_SECONDS)
    assert shown.bodies() == [b"back", b"back"]


def reads(shown: Shown, origin: str) -> list[Answer]:
    """A preflight, a caller's answer and a public file, as a page of the origin gets them."""
    address, asked = f"/v1/files/{BUCKET}/file", {"Origin": origin}
    return [
        shown.anyone.request("OPTIONS", address, headers=asked),
        shown.api.get(address, asked),
        shown.anyone.get(shown.public, asked),
    ]


def refusal(shown: Shown, origin: str) -> list[Answer]:
    """A 405 that nginx makes; it asks which origins may read it."""
    return [shown.anyone.request("PROPFIND", shown.public, headers={"Origin": origin})]


def test_origins_are_kept_for_five_seconds(shown: Shown) -> None:
    """A change of the list holds in five seconds: for preflights, files and nginx's refusals."""
    added, dropped = (f"https://{name}.{shown.api.tenant}.example" for name in ("added", "dropped"))

    def allowed(answers: Callable[[Shown, str], list[Answer]]) -> list[set[bool]]:
        """Whether pages of the origin that was added, and of the one that was dropped, read."""
        found = [(origin, answers(shown, origin)) for origin in (added, dropped)]
        return [
            {one.headers["Access-Control-Allow-Origin"] == origin for one in told}
            for origin, told in found
        ]

    shown.policy(public=True, cors_origins=[dropped])
    time.sleep(1.2 - time.time() % 1)
    # So long a process remembers this; nginx is asked shortly before that is over.
    assert allowed(reads) == [{False}, {True}]
    shown.policy(public=True, cors_origins=[added])
    over = time.monotonic() + ORIGINS_SECONDS
    time.sleep(2.02 - time.time() % 1)
    allowed(refusal)
    time.sleep(max(0.0, over - time.monotonic()))
    assert allowed(reads) == allowed(refusal) == [{True}, {False}]


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
