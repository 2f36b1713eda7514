"""nginx limits uploads per tenant and requests per credential, before it reads a body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers.wharf.api_client import LARGE, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import RawAnswer, RawConnection, exchange, head, until
from tests.servers.wharf.tenants import Signer, set_limits
from tests.servers.wharf.traces import nothing_stored, traces
from tests.servers.wharf.tus_client import Tus

ALLOWED = 2
RATE, BURST = 1, 5


def slow(api: ApiClient, key: str = "slow") -> bytes:
    """Return the beginning of a large upload, long enough to reach the spool after admission."""
    bearer = f"Authorization: Bearer {api.token}"
    line = f"PUT /v1/files/default/{key} HTTP/1.1"
    return head(line, bearer, "Content-Length: 2000000") + b"x" * 1_500_000


@pytest.fixture
def limited(signer: Signer, api: ApiClient) -> ApiClient:
    """Return a client of a tenant that may have two uploads at the same time.

    The limit is set before any process has cached the tenant's limits.
    """
    assert set_limits(signer, api.tenant, concurrent_uploads=ALLOWED).status == 200
    return api


def holding(wharf: Wharf, api: ApiClient, stack: ExitStack, number: int) -> None:
    """Open uploads that have begun and do not end."""
    for count in range(number):
        stack.enter_context(RawConnection(wharf.port)).send(slow(api, f"slow-{count}"))
    assert until(lambda: len(traces(wharf, api.tenant).spool) >= number)


def refused(answer: RawAnswer) -> None:
    """Check the refusal that a tenant with too many concurrent uploads gets."""
    assert (answer.status, answer.slug) == (429, "quota-exceeded")
    document = answer.json()
    assert document["violated_policies"] == ["tenant-uploads"]
    assert document["limit_uploads"] == ALLOWED
    assert "The tenant may have 2 uploads under way" in document["detail"]
    assert answer.headers["RateLimit-Policy"] == '"tenant-uploads";q=2;qu="concurrent-requests"'
    assert answer.headers["RateLimit"] == '"tenant-uploads";r=0'
    assert answer.headers["Retry-After"] == "1"


def test_a_tenant_with_too_many_uploads(wharf: Wharf, signer: Signer, limited: ApiClient) -> None:
    """A tenant at its limit of concurrent uploads gets 429 until one of the uploads ends."""
    other_client = signer.client(tid=limited.tenant)
    other_tenant = signer.client()
    with nothing_stored(wharf, limited.tenant):
        with ExitStack() as stack:
            holding(wharf, limited, stack, ALLOWED)
            for api in (limited, other_client):
                (answer,) = exchange(wharf.port, slow(api))
                refused(answer)
            assert other_tenant.put("large", LARGE).status == 201
            # A request whose body nginx keeps in memory does not count as an upload.
            assert limited.get("/v1/usage").status == 200
        assert until(lambda: not traces(wharf, limited.tenant).spool)
    assert until(lambda: limited.put("large", LARGE).status == 201)


def test_resumable_uploads_count_as_well(wharf: Wharf, limited: ApiClient) -> None:
    """A streamed body of a resumable upload counts like a spooled body, until it ends."""
    tus = Tus(limited)
    with ExitStack() as stack:
        for number in range(ALLOWED):
            address = tus.created(2_000_000, filename=f"streamed-{number}")
            request = head(
                f"PATCH {address} HTTP/1.1",
                f"Authorization: Bearer {limited.token}",
                "Tus-Resumable: 1.0.0",
                "Upload-Offset: 0",
                "Content-Type: application/offset+octet-stream",
                "Content-Length: 2000000",
            )
            stack.enter_context(RawConnection(wharf.port)).send(request + b"x" * 200_000)
            # When the part has bytes, the stream counts. An upload that began earlier could have
            # taken the stream's place.
            part = wharf.data / "resumable" / address.rpartition("/")[2]
            assert until(lambda part=part: part.exists() and part.stat().st_size)
        (answer,) = exchange(wharf.port, slow(limited))
        refused(answer)
    assert until(lambda: limited.put("large", LARGE).status == 201)


def test_a_waiting_client_is_not_invited(wharf: Wharf, limited: ApiClient) -> None:
    """A client that waits for `100 Continue` gets the refusal instead, as a problem document."""
    bearer = f"Authorization: Bearer {limited.token}"
    with ExitStack() as stack:
        holding(wharf, limited, stack, ALLOWED)
        request = head(
            "PUT /v1/files/default/waiting HTTP/1.1",
            bearer,
            "Content-Length: 2000000",
            "Expect: 100-continue",
            "Connection: close",
        )
        (answer,) = exchange(wharf.port, request)
    assert answer.status == 429
    assert answer.json()["violated_policies"] == ["tenant-uploads"]


def test_a_page_reads_why(wharf: Wharf, limited: ApiClient) -> None:
    """A page of an allowed origin can read the refusal; a page of another origin cannot."""
    policy = {"cors_origins": ["https://app.example"]}
    assert limited.send_json("PUT", "/v1/buckets/default", policy).status in (200, 201)
    with ExitStack() as stack:
        holding(wharf, limited, stack, ALLOWED)
        for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
            answer = limited.put("large", LARGE, {"Origin": origin})
            answer.problem(429, "quota-exceeded")
            shown = answer.headers.get("Access-Control-Allow-Origin")
            assert (shown == origin) == allowed


def test_no_limit_without_a_number(wharf: Wharf, api: ApiClient) -> None:
    """A tenant without a limit of concurrent uploads can have six uploads at the same time."""
    with ExitStack() as stack:
        holding(wharf, api, stack, 5)
        assert api.put("large", LARGE).status == 201


@pytest.fixture(scope="module")
def strict() -> Iterator[Wharf]:
    """Start a Wharf that allows each credential only a few requests a second."""
    with running(
        WHARF_CREDENTIAL_REQUESTS_PER_SECOND=str(RATE), WHARF_CREDENTIAL_REQUESTS_BURST=str(BURST)
    ) as found:
        yield found


def test_a_credential_that_floods(strict: Wharf) -> None:
    """A credential above its rate gets 429 from nginx; the tenant's other credential does not."""
    signer = Signer(strict)
    api = signer.client()
    answers = [api.get("/v1/usage") for _ in range(3 * BURST)]
    limited = [answer for answer in answers if answer.status == 429]
    assert len(answers) - len(limited) >= BURST
    assert limited, "nothing was held back"
    assert limited[0].problem(429, "quota-exceeded")["violated_policies"] == ["address"]
    assert api.put("key").status == 429
    assert signer.client(tid=api.tenant).get("/v1/usage").status == 200
