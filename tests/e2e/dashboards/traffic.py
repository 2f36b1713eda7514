"""Traffic of several tenants with every kind of request; one tenant is noisy, and some fail."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.servers.pages.visitor import Visitor
from tests.servers.webhook_receiver import webhook_receiver
from tests.servers.wharf import people
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import Listener, listening
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.raw_http import RawConnection, exchange, head
from tests.servers.wharf.tenants import Signer, Tenants, set_limits
from tests.servers.wharf.tus_client import Tus
from tests.servers.wharf.webhooks import SCOPES, created

NOISY, QUIET = "noisy", ("quiet-a", "quiet-b", "quiet-c")
NEARLY_FULL = "nearly-full"
#: Larger than the bodies whose digest the request's own thread computes.
FOLLOWED = b"x" * (3 << 20)
#: More than any disk has; WHARF_MAX_FILE_BYTES must allow it.
TOO_MUCH = 900 * 10**12
#: The smallest picture.
DOT = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_ALLOWED, _REFUSED, _MOST_ROUNDS = 250, 800, 10


class Traffic:
    """Sends traffic to one Wharf, and causes its failures."""

    def __init__(self, wharf: Wharf) -> None:
        self.wharf, self.signer = wharf, Signer(wharf)
        self.tenants = Tenants(wharf)

    def all_ways(self) -> None:
        """Perform each operation that a graph shows, and cause refusals of each kind."""
        for name in QUIET:
            self._files(self.signer.client(tid=name))
        api = self.signer.client(tid=QUIET[0])
        self._resumable(api)
        self._shared(api)
        self._ticket(api)
        self._refused(api)
        self._people()
        self._pages()
        self._live(api)
        self._pictures(api)
        self._webhook()

    def first_noise(self) -> None:
        """Create the noisy tenant's counters before that tenant becomes noisy."""
        self.signer.client(tid=NOISY).stored("first")

    def noise(self) -> None:
        """Send far more requests than the noisy tenant may: some succeed, and the rest gets 429.

        Reads follow the writes, because on a slow disk writes alone would stay below the limit.
        """
        set_limits(self.signer, NOISY, requests_per_minute=_ALLOWED)
        api = self.signer.client(tid=NOISY)

        def put(number: int) -> int:
            return api.put(f"noise-{number}", b"n" * 2000).status

        with ThreadPoolExecutor(4) as pool:
            stored = list(pool.map(put, range(_ALLOWED)))
            assert stored.count(201) >= _ALLOWED / 2
            for _ in range(_MOST_ROUNDS):
                read = list(pool.map(lambda _: api.file("first").status, range(_REFUSED)))
                if read.count(429) >= _REFUSED / 2:
                    return
        raise AssertionError("the noisy tenant was not refused")

    def fill_quota(self) -> None:
        """Use 95 % of a tenant's quota, and try an upload beyond it."""
        set_limits(self.signer, NEARLY_FULL, max_bytes=100_000, max_files=1000)
        api = self.signer.client(tid=NEARLY_FULL)
        api.stored("most", b"x" * 95_000)
        api.put("rest", b"x" * 10_000).problem(507, "tenant-quota-exceeded")

    def full_disk(self) -> None:
        """Announce a file that is larger than the disk."""
        api = self.signer.client(tid=QUIET[1])
        request = head(
            "PUT /v1/files/default/huge HTTP/1.1",
            f"Authorization: Bearer {api.token}",
            f"Content-Length: {TOO_MUCH}",
            "Expect: 100-continue",
            "Connection: close",
        )
        (answer,) = exchange(self.wharf.port, request)
        assert answer.json()["type"] == "/problems/storage-full", answer

    def locked_database(self) -> None:
        """Upload while another process holds the database's lock, which causes a 503."""
        api = self.signer.client(tid=QUIET[2])
        with _locked(self.wharf), ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda number: api.put(f"locked-{number}").status, range(8)))
        assert found == [503] * 8

    @contextmanager
    def stopped_auth(self) -> Iterator[None]:
        """Stop auth while the context lasts; make upload's copy of the revocations seem old."""
        pids = self.wharf.processes("auth.log")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            # The time of the file is the time at which upload last read the feed.
            for path in self.wharf.data.rglob("revocations.jsonl"):
                os.utime(path, (time.time() - 3600,) * 2)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def old_key(self) -> None:
        """Make the signing key a year old."""
        folder = self.wharf.data / "auth" / "keys"
        for path in folder.glob("*.pem"):
            os.utime(path, (time.time() - 365 * 86400,) * 2)
        os.utime(folder)  # makes auth read the keys again

    def _webhook(self) -> None:
        """Deliver an event to a receiver."""
        api = self.signer.client(tid=QUIET[0], scope=" ".join(SCOPES))
        with webhook_receiver() as receiver:
            hook = created(api, receiver.url)
            api.stored("told")
            receiver.wait_for(1)
            assert api.request("DELETE", hook.path).status == 204

    @staticmethod
    def _files(api: ApiClient) -> None:
        api.stored("small")
        api.stored("small", SMALL * 2)
        api.stored("large", FOLLOWED)
        assert api.post(file_part("a.txt"), file_part("b.txt", LARGE)).status == 201
        assert api.file("large").status == 200
        assert api.listed()
        assert api.delete("large").status == 204
        assert api.get("/v1/usage").status == 200

    @staticmethod
    def _resumable(api: ApiClient) -> None:
        tus = Tus(api)
        whole = tus.created(len(LARGE))
        assert tus.patch(whole, 0, LARGE).status == 204
        unfinished = tus.created(len(LARGE))
        assert tus.patch(unfinished, 0, LARGE[:1000]).status == 204
        begun = api.put("ietf", LARGE, {"Upload-Complete": "?0"})
        last = {"Upload-Offset": str(len(LARGE)), "Upload-Complete": "?1"}
        partial = {"Content-Type": "application/partial-upload", **last}
        assert api.request("PATCH", begun.header("Location"), b"", partial).status == 201

    def _shared(self, api: ApiClient) -> None:
        made = api.send_json("POST", "/v1/links", {"bucket": "default", "key": "small"})
        assert made.status == 201
        for _ in range(3):
            assert api.using(None).get(made.json()["url"]).status == 200

    def _ticket(self, api: ApiClient) -> None:
        ticket = {"bucket": "default", "prefix": "in/"}
        token = self.signer.token(tid=api.tenant, scope="files:write", ticket=ticket)
        anyone = api.using(None)
        assert anyone.request("PUT", f"/u/{token}/one", SMALL).status == 201
        form = multipart_body(file_part("two"))
        fields = {"Content-Type": CONTENT_TYPE}
        assert anyone.request("POST", f"/u/{token}", form, fields).status == 201

    def _refused(self, api: ApiClient) -> None:
        """Cause refusals: no token, no file, a wrong digest, and a connection that breaks."""
        for _ in range(3):
            api.using(None).put("a").problem(401, "token-missing")
            api.file("absent").problem(404, "not-found")
            wrong = {"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}
            api.put("wrong", SMALL, wrong).problem(400, "digest-mismatch")
        with RawConnection(self.wharf.port) as connection:
            fields = (f"Authorization: Bearer {api.token}", "Content-Length: 500000")
            connection.send(head("PUT /v1/files/default/cut HTTP/1.1", *fields) + b"x" * 1000)

    def _pages(self) -> None:
        """Log in to the console with a wrong and with the right password, and open a page."""
        visitor = Visitor(self.wharf)
        assert visitor.login("a wrong one")[0] != 303
        assert visitor.login()[0] == 303
        assert visitor.request("GET", "/console/")[0] == 200

    def _live(self, api: ApiClient) -> None:
        """Open the live channel without a token, with a token, and with another tenant's token."""
        assert Listener(api.port, None).connect().refusal
        with listening(api, 0) as listener:
            api.stored("heard")
            assert listener.hears("heard")
            listener.client.emit("msg", {"op": "token", "token": self.signer.token()})
            assert listener.farewell() == "forbidden"

    @staticmethod
    def _pictures(api: ApiClient) -> None:
        """Request a small picture of a picture, and a small picture of a text."""
        api.stored("dot.png", DOT)
        assert api.get("/v1/files/default/dot.png?w=64").status == 200
        api.get("/v1/files/default/small?w=64").problem(404, "no-preview")

    def _people(self) -> None:
        """Log in with a wrong and with the right password, and use a refresh token twice."""
        tenant = self.tenants.tenant().tenant
        ada = people.make(self.tenants.admin, tenant)
        assert ada.login("wrong password").status == 401
        assert ada.login().status == 200
        thief = ada.elsewhere()
        assert ada.refresh().status == 200
        assert thief.refresh().status == 400
        assert json.loads(ada.api.get("/auth/me").body)["status"] == 401


@contextmanager
def _locked(wharf: Wharf) -> Iterator[None]:
    connection = sqlite3.connect(
        wharf.data / "upload" / "upload.db", isolation_level=None, timeout=30
    )
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()
