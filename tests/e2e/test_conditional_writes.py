"""Conditional writes and idempotency keys, one at a time and fifty at the same time."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import field_part, file_part
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored, rows

WAYS = [pytest.param(SMALL, id="in-memory"), pytest.param(LARGE, id="spooled")]
PARALLEL = 50


def at_once(call: Callable[[int], Answer], times: int = PARALLEL) -> list[Answer]:
    """Call the function in so many threads at the same time, and return the responses."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def digest_field(algorithm: str, content: bytes) -> str:
    """Return the value of a Content-Digest field."""
    digest = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


@pytest.mark.parametrize("content", WAYS)
def test_if_none_match_creates_only(wharf: Wharf, api: ApiClient, content: bytes) -> None:
    """`If-None-Match: *` stores a new file, and never replaces an existing one."""
    create = {"If-None-Match": "*"}
    assert api.put("key", content, create).status == 201
    with nothing_stored(wharf, api.tenant):
        api.put("key", content + b"other", create).problem(412, "precondition-failed")
        api.put("key", iter([content]), create).problem(412, "precondition-failed")
    assert api.file("key").body == content


@pytest.mark.parametrize("content", WAYS)
def test_if_match_replaces_only(wharf: Wharf, api: ApiClient, content: bytes) -> None:
    """`If-Match` replaces only the file whose entity tag it names, and never creates a file."""
    with nothing_stored(wharf, api.tenant):
        api.put("key", content, {"If-Match": "*"}).problem(412, "precondition-failed")
        api.put("key", content, {"If-Match": '"x"'}).problem(412, "precondition-failed")
    first = api.stored("key", content)["etag"]
    assert api.put("key", content + b"2", {"If-Match": first}).status == 201
    with nothing_stored(wharf, api.tenant):
        for stale in (first, f"W/{first}", '"x", "y"'):
            answer = api.put("key", content + b"3", {"If-Match": stale})
            answer.problem(412, "precondition-failed")
        api.delete("key", {"If-Match": first}).problem(412, "precondition-failed")
    assert api.put("key", content, {"If-Match": "*"}).status == 201
    assert api.delete("key", {"If-Match": first}).status == 204


@pytest.mark.parametrize("field", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["x", '"x', "*, *", '"a" "b"'])
def test_conditions_that_cannot_be_read(
    wharf: Wharf, api: ApiClient, field: str, value: str
) -> None:
    """A condition that is no list of entity tags gets a 400; Wharf never ignores a condition."""
    with nothing_stored(wharf, api.tenant):
        for content in (SMALL, LARGE):
            api.put("key", content, {field: value}).problem(400, "malformed-request")


@pytest.mark.parametrize("content", WAYS)
def test_parallel_creations(api: ApiClient, content: bytes) -> None:
    """Of fifty parallel PUTs of one key with `If-None-Match: *` exactly one gets a 201."""
    create = {"If-None-Match": "*"}
    answers = at_once(lambda number: api.put("key", content + b"%d" % number, create))
    assert Counter(answer.status for answer in answers) == {201: 1, 412: PARALLEL - 1}
    (created,) = (answer for answer in answers if answer.status == 201)
    assert hashlib.sha256(api.file("key").body).hexdigest() == created.json()["sha256"]


@pytest.mark.parametrize("content", WAYS)
def test_parallel_replacements(api: ApiClient, content: bytes) -> None:
    """Fifty parallel PUTs of one key without a condition succeed, and one of the files remains."""
    answers = at_once(lambda number: api.put("key", content + b"%d" % number))
    assert {answer.status for answer in answers} == {201}
    sent = {content + b"%d" % number for number in range(PARALLEL)}
    body = api.file("key").body
    assert body in sent
    assert api.used() == (len(body), 1)


def test_parallel_forms(api: ApiClient) -> None:
    """Fifty parallel POSTs of one file name store fifty files with different keys."""
    answers = at_once(lambda number: api.post(file_part("name.txt", b"%d" % number)))
    assert {answer.status for answer in answers} == {201}
    files = [answer.json()["files"][0] for answer in answers]
    assert len({file["key"] for file in files}) == PARALLEL
    for number, file in enumerate(files):
        assert api.get(file["links"]["content"]).body == b"%d" % number


def test_parallel_conditional_replacements(api: ApiClient) -> None:
    """Of fifty parallel PUTs with the same `If-Match` exactly one replaces the file."""
    etag = api.stored("key")["etag"]
    answers = at_once(lambda number: api.put("key", b"%d" % number, {"If-Match": etag}))
    assert Counter(answer.status for answer in answers) == {201: 1, 412: PARALLEL - 1}


@pytest.mark.parametrize("content", WAYS)
def test_a_repeated_put(wharf: Wharf, api: ApiClient, content: bytes) -> None:
    """A repeated PUT with the same Idempotency-Key gets the first response and stores no file."""
    key = {"Idempotency-Key": "one", "If-None-Match": "*"}
    first = api.put("key", content, key)
    assert first.headers["Idempotent-Replayed"] is None
    with nothing_stored(wharf, api.tenant):
        again = api.put("key", content, key)
    assert (first.status, again.status) == (201, 201)
    assert again.json() == first.json()
    assert again.header("Idempotent-Replayed") == "true"


def test_a_repeated_form(wharf: Wharf, api: ApiClient) -> None:
    """A repeated form with the same Idempotency-Key gets the first response and stores no file."""
    parts = (file_part("a.txt"), file_part("b.txt"))
    first = api.post(*parts, headers={"Idempotency-Key": "one"})
    with nothing_stored(wharf, api.tenant):
        again = api.post(*parts, headers={"Idempotency-Key": "one"})
    assert (first.status, again.status) == (201, 201)
    assert again.json() == first.json()
    assert api.listed() == ["a.txt", "b.txt"]


@pytest.mark.parametrize("content", WAYS)
def test_a_reused_key(wharf: Wharf, api: ApiClient, content: bytes) -> None:
    """An Idempotency-Key that is reused with another address, body or method gets a 422."""
    key = {"Idempotency-Key": "one"}
    assert api.put("key", content, key).status == 201
    with nothing_stored(wharf, api.tenant):
        api.put("other", content, key).problem(422, "idempotency-key-reused")
        api.put("key", content + b"x", key).problem(422, "idempotency-key-reused")
        answer = api.post(file_part("key", content), headers=key)
        answer.problem(422, "idempotency-key-reused")


def test_a_reused_key_with_other_choices(wharf: Wharf, api: ApiClient) -> None:
    """A repeated form with another conflict choice counts as a different request."""
    key = {"Idempotency-Key": "one"}
    assert api.post(file_part("a"), headers=key).status == 201
    with nothing_stored(wharf, api.tenant):
        answer = api.post(file_part("a"), field_part("on_conflict", "error"), headers=key)
        answer.problem(422, "idempotency-key-reused")


def test_keys_are_a_clients_own(api: ApiClient, signer: Signer) -> None:
    """The same Idempotency-Key from another client of the tenant belongs to a different request."""
    key = {"Idempotency-Key": "one"}
    api.stored("mine", SMALL, key)
    colleague = signer.client(tid=api.tenant)
    assert colleague.put("theirs", LARGE, key).status == 201


@pytest.mark.parametrize("value", ["x" * 256, "two words", "\xe9"])
def test_keys_that_are_none(wharf: Wharf, api: ApiClient, value: str) -> None:
    """An Idempotency-Key that is too long or not visible ASCII gets a 400 for every upload."""
    key = {"Idempotency-Key": value}
    with nothing_stored(wharf, api.tenant):
        for content in (SMALL, LARGE):
            api.put("key", content, key).problem(400, "malformed-request")
        api.post(file_part("a"), headers=key).problem(400, "malformed-request")


@pytest.mark.parametrize("form", [False, True], ids=["put", "form"])
@pytest.mark.parametrize("content", WAYS)
def test_parallel_repetitions(
    wharf: Wharf,
    api: ApiClient,
    content: bytes,
    form: bool,  # noqa: FBT001 -- a parameter
) -> None:
    """Twenty parallel requests with one Idempotency-Key store one file.

    Each request gets the same response or a 409.
    """
    key = {"Idempotency-Key": "one"}

    def send(_: int) -> Answer:
        if form:
            return api.post(file_part("name", content), headers=key)
        return api.put("name", content, {**key, "If-None-Match": "*"})

    answers = at_once(send, 20)
    assert {answer.status for answer in answers} <= {201, 409}
    stored = [answer for answer in answers if answer.status == 201]
    assert len({answer.body for answer in stored}) == 1
    assert sum(answer.headers["Idempotent-Replayed"] is None for answer in stored) == 1
    assert api.listed() == ["name"]
    assert sum(row[0] == "events" for row in rows(wharf, api.tenant)) == 1


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("content", WAYS)
def test_announced_digests(
    wharf: Wharf, api: ApiClient, content: bytes, field: str, algorithm: str
) -> None:
    """Wharf stores a file that matches its announced digest, and refuses any other with 400."""
    wrong = digest_field(algorithm, b"something else")
    with nothing_stored(wharf, api.tenant):
        document = api.put("key", content, {field: wrong}).problem(400, "digest-mismatch")
        assert document["algorithm"] == algorithm
        api.put("key", content, {field: f"{algorithm}=abc"}).problem(400, "invalid-digest")
        api.put("key", iter([content]), {field: wrong}).problem(400, "digest-mismatch")
    assert api.put("key", content, {field: digest_field(algorithm, content)}).status == 201
