"""Requests that auth serves during a flood of requests with secrets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers import uwsgi
from tests.servers.auth import TOKEN
from wharf_auth.provisioning import read_credentials
from wharf_auth.settings import Settings

INI = Path(__file__).parents[3] / "services" / "auth" / "uwsgi.ini"
FORM = "application/x-www-form-urlencoded"
# The parameter that the gateway sends only from its metrics port.
INTERNAL = {"WHARF_INTERNAL": "1"}
# ATTACKED requests are more than twice the threads of the process for secrets.
ATTACKER, ATTACKED = "203.0.113.9", 60
# The statuses for a wrong secret, for too many wrong secrets, and for a request that waited too
# long.
REFUSALS = {401, 429, 503}


class Auth:
    """A running auth. The socket `secrets` is for requests with a secret, and `others`
    for all other requests.
    """

    def __init__(self, server: uwsgi.Uwsgi, settings: Settings) -> None:
        self.server, self.others = server, server.socket
        self.secrets = server.socket.with_name("secrets.sock")
        self._entries = read_credentials(settings.credentials_path)
        self.admin = self.login("admin", "192.0.2.1")

    def login(self, name: str, address: str) -> dict[str, str]:
        """Log a client in, and return the header fields for its later requests."""
        entry = self._entries[name]
        reply = uwsgi.request(
            self.secrets,
            *("POST", TOKEN, b"grant_type=client_credentials"),
            {**basic(entry.client_id, entry.client_secret), "REMOTE_ADDR": address},
        )
        assert reply.status == 200
        return {"HTTP_AUTHORIZATION": f"Bearer {json.loads(reply.body)['access_token']}"}

    def get(self, path: str, fields: dict[str, str] | None = None) -> uwsgi.Reply:
        return uwsgi.request(self.others, "GET", path, b"", fields)

    def post(self, address: Path, path: str, body: object, fields: dict[str, str]) -> uwsgi.Reply:
        """Send JSON and return the response."""
        fields = {"CONTENT_TYPE": "application/json", **fields}
        return uwsgi.request(address, "POST", path, json.dumps(body).encode(), fields)


def basic(client: str, secret: str) -> dict[str, str]:
    pair = b64encode(f"{client}:{secret}".encode()).decode()
    return {"HTTP_AUTHORIZATION": f"Basic {pair}", "CONTENT_TYPE": FORM}


@pytest.fixture(scope="module")
def auth(auth_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auth]:
    folder = tmp_path_factory.mktemp("auth")
    (folder / "metrics").mkdir()
    # A copy, so that the keys have the required modes.
    shutil.copytree(auth_template, folder / "data")
    settings = Settings(data=folder / "data")
    environ = {
        "WHARF_DATA": str(settings.data),
        "WHARF_AUTH_SOCKET": "{socket}",
        "WHARF_AUTH_SECRETS_SOCKET": "{folder}/secrets.sock",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    with uwsgi.running(["--ini", str(INI)], environ) as server:
        server.wait_until_ready()
        yield Auth(server, settings)


def guesses(client: str) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield wrong secrets without end, in each form in which a request may carry them."""
    wrong = f"client_id={client}&client_secret=wrong"
    person = json.dumps({"tenant": "demo", "username": client, "password": "wrong"}).encode()
    while True:
        yield TOKEN, b"grant_type=client_credentials", basic(client, "wrong")
        yield TOKEN, f"grant_type=client_credentials&{wrong}".encode(), {"CONTENT_TYPE": FORM}
        yield "/auth/oauth/introspect", f"token=x&{wrong}".encode(), {"CONTENT_TYPE": FORM}
        yield "/auth/oauth/revoke", b"token=x", basic(client, "wrong")
        yield "/auth/login", person, {"CONTENT_TYPE": "application/json"}


@contextmanager
def flood(auth: Auth, address: str, client: str) -> Iterator[list[socket.socket]]:
    """Send many requests with wrong secrets, and yield their connections before any
    response is read.
    """
    ways = guesses(client)
    with ExitStack() as stack:
        connections = []
        for _ in range(ATTACKED):
            path, body, fields = next(ways)
            connection = stack.enter_context(uwsgi.connect(auth.secrets))
            fields = {**fields, "REMOTE_ADDR": address}
            uwsgi.send_head(connection, "POST", path, fields, len(body))
            connection.sendall(body)
            connections.append(connection)
        yield connections


def test_a_flood_holds_up_nobody(auth: Auth) -> None:
    """During a flood of wrong secrets from one address, auth serves other addresses' logins,
    tokens, keys and the feed.
    """
    with flood(auth, ATTACKER, "no-such-client") as connections:
        assert auth.get("/.well-known/jwks.json").status == 200
        assert auth.get("/auth/internal/feed", INTERNAL).status == 200
        assert auth.get("/auth/v1/tenants", auth.admin).status == 200
        assert auth.login("demo", "192.0.2.7")
        statuses = {uwsgi.read_reply(connection).status for connection in connections}
    assert statuses <= REFUSALS
    assert 429 in statuses


def test_a_flood_of_one_client(auth: Auth) -> None:
    """A flood of wrong secrets for a client does not prevent the client's
    login from another address.
    """
    with flood(auth, "203.0.113.10", "wharf-demo") as connections:
        assert auth.login("demo", "192.0.2.8")
        assert auth.login("admin", "192.0.2.9")
        statuses = {uwsgi.read_reply(connection).status for connection in connections}
    assert statuses <= REFUSALS
    assert 429 in statuses


def test_secrets_that_take_for_ever(auth: Auth) -> None:
    """auth serves keys, the feed and token checks while its process for secrets is stopped."""
    person = {"username": "ada", "role": "owner", "password": "correct horse battery"}
    made = auth.post(auth.secrets, "/auth/v1/tenants/demo/users", person, auth.admin)
    assert made.status == 201
    names = {"tenant": "demo", **person, "refresh_token": "body"}
    login = {name: names[name] for name in ("tenant", "username", "password", "refresh_token")}
    token = json.loads(auth.post(auth.secrets, "/auth/login", login, {}).body)["access_token"]
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    _, _, secrets = auth.server.processes()
    os.kill(secrets, signal.SIGSTOP)
    try:
        with flood(auth, "203.0.113.11", "no-such-client") as connections:
            assert auth.get("/.well-known/jwks.json").status == 200
            assert auth.get("/auth/internal/feed", INTERNAL).status == 200
            assert auth.get("/auth/me", bearer).status == 200
            assert auth.get("/auth/v1/tenants", auth.admin).status == 200
            os.kill(secrets, signal.SIGCONT)
            assert {uwsgi.read_reply(one).status for one in connections} <= REFUSALS
    finally:
        os.kill(secrets, signal.SIGCONT)
