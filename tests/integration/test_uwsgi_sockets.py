"""Attacks on the uwsgi sockets. A client of a socket counts as the gateway, but can run no code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.servers import uwsgi
from tests.servers.ports import free_port
from tests.servers.process_environment import environment_of
from tests.servers.receiver import answer_of
from tests.servers.upload import copy_database
from tests.servers.uwsgi_attacks import (
    ACTING,
    ANSWERING,
    LOADING,
    SET_VARIABLE,
    Attacker,
    Variables,
)
from tests.servers.wharf.raw_http import until

SERVICES = Path(__file__).parents[2] / "services"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\n"


@dataclass(frozen=True)
class Target:
    """A service under attack, and the state that must not change in it."""

    server: uwsgi.Uwsgi
    address: uwsgi.Address
    # A port that speaks HTTP, for metrics and health.
    internal: tuple[str, int]
    health: str
    attacker: Attacker
    processes: list[int]

    def send(self, *added: tuple[str, str], modifier: int = 0, detail: int = 0) -> bytes:
        """Send a request with additional variables, and return the response."""
        return uwsgi.raw_answer(self.address, uwsgi.packet(self.request(*added), modifier, detail))

    def request(self, *added: tuple[str, str]) -> Variables:
        """Return the variables of a request, and additional variables."""
        return self.attacker.request(self.health, *added)

    def assert_unharmed(self) -> None:
        """Assert that no file was run, no process was changed or replaced,
        and the service responds.
        """
        assert not self.attacker.mark.exists()
        for pid in self.processes:
            assert SET_VARIABLE not in environment_of(pid)
            assert os.readlink(f"/proc/{pid}/cwd") == os.getcwd()
        reply = uwsgi.request(self.address, "GET", self.health, b"", {"REQUEST_ID": "1"})
        assert reply.status == 200
        assert self.server.processes() == self.processes


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Attacker:
    """Return an attacker with files in a folder on the services' Python path."""
    made = Attacker(tmp_path_factory.mktemp("attacker"))
    made.prepare()
    return made


@pytest.fixture(scope="module")
def auth_over_tcp(
    attacker: Attacker, auth_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Yield the auth service on a port, as in Kubernetes."""
    data = tmp_path_factory.mktemp("auth") / "data"
    shutil.copytree(auth_template, data)
    address = ("127.0.0.1", free_port())
    environ = {"WHARF_AUTH_SOCKET": f"127.0.0.1:{address[1]}"}
    with attacked("auth", address, "/auth/healthz", 2, attacker, data, environ) as target:
        yield target


@pytest.fixture(scope="module")
def console_over_tcp(
    attacker: Attacker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Yield the console on a port, as in Kubernetes, without a gateway behind its door."""
    data = tmp_path_factory.mktemp("console") / "data"
    data.mkdir()
    address = ("127.0.0.1", free_port())
    environ = {"WHARF_CONSOLE_SOCKET": f"127.0.0.1:{address[1]}"}
    with attacked("console", address, "/console/healthz", 2, attacker, data, environ) as target:
        yield target


@pytest.fixture(scope="module")
def upload_over_a_file(
    attacker: Attacker, upload_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Yield the upload service on a socket in a folder, as containers mount it."""
    data = tmp_path_factory.mktemp("upload") / "data"
    copy_database(upload_template, data)
    environ = {"WHARF_UPLOAD_SOCKET": "{socket}", "WHARF_SOCKETS": "{folder}"}
    with attacked("upload", None, "/healthz", 4, attacker, data, environ) as target:
        yield target


@contextmanager
def attacked(
    service: str,
    address: uwsgi.Address | None,
    health: str,
    processes: int,
    attacker: Attacker,
    data: Path,
    environ: Mapping[str, str],
) -> Iterator[Target]:
    """Run a service with its own uwsgi.ini, and yield it as a target."""
    internal = ("127.0.0.1", free_port())
    (data / "metrics").mkdir()
    known = {
        "WHARF_DATA": str(data),
        "PROMETHEUS_MULTIPROC_DIR": str(data / "metrics"),
        "PYTHONPATH": f"{attacker.folder}:{os.environ.get('PYTHONPATH', '')}",
        f"WHARF_{service.upper()}_INTERNAL": f"127.0.0.1:{internal[1]}",
        **environ,
    }
    with uwsgi.running(["--ini", str(SERVICES / service / "uwsgi.ini")], known) as server:
        server.wait_until_ready()
        assert until(lambda: len(server.processes()) == processes)
        target = Target(
            server, address or server.socket, internal, health, attacker, server.processes()
        )
        target.assert_unharmed()
        yield target


@pytest.fixture(scope="module", params=["auth_over_tcp", "console_over_tcp", "upload_over_a_file"])
def target(request: pytest.FixtureRequest) -> Target:
    """Return each service in turn."""
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def unguarded(attacker: Attacker) -> Iterator[uwsgi.Uwsgi]:
    """Yield a uWSGI without Wharf's options."""
    options = ["--socket", "{socket}", "--master", "--enable-threads"]
    options += ["--single-interpreter", "--need-app", "--module", "plain"]
    environ = {"PYTHONPATH": str(attacker.folder)}
    with uwsgi.running(options, environ) as server:
        server.wait_until_ready()
        yield server


@pytest.mark.parametrize("name", LOADING)
def test_the_attacks_with_code_are_real(
    unguarded: uwsgi.Uwsgi, attacker: Attacker, name: str
) -> None:
    """A uWSGI without Wharf's options runs the attacker's file when a variable names it."""
    variables = attacker.request("/", (name, attacker.value(name)))
    uwsgi.raw_answer(unguarded.socket, uwsgi.packet(variables))
    assert attacker.was_run()


def test_the_attack_on_the_environment_is_real(unguarded: uwsgi.Uwsgi, attacker: Attacker) -> None:
    """A uWSGI without Wharf's options takes variables of its environment from a packet."""
    added = ("UWSGI_SETENV", attacker.value("UWSGI_SETENV"))
    uwsgi.raw_answer(unguarded.socket, uwsgi.packet(attacker.request("/", added)))
    assert environment_of(unguarded.processes()[1])[SET_VARIABLE] == "1"


def test_other_modifiers_answer_without_our_options(unguarded: uwsgi.Uwsgi) -> None:
    """A uWSGI without Wharf's options also responds to commands of its plugins."""
    answering = [
        modifier
        for modifier in range(1, 256)
        if uwsgi.raw_answer(unguarded.socket, uwsgi.packet([], modifier))
    ]
    assert {17, 100, 110} <= set(answering) <= set(ANSWERING)


@pytest.mark.parametrize("name", ACTING)
def test_variables_that_uwsgi_acts_on(target: Target, name: str) -> None:
    """A request with a variable on which uWSGI acts is refused with 403 and has no effect."""
    assert target.send((name, target.attacker.value(name))).startswith(FORBIDDEN)
    target.assert_unharmed()


@pytest.mark.parametrize("name", ACTING)
def test_variables_that_are_taken_back(target: Target, name: str) -> None:
    """A variable that a request contains twice, the second time empty, has no effect."""
    target.send((name, target.attacker.value(name)), (name, ""))
    target.assert_unharmed()


def test_all_modifiers(target: Target) -> None:
    """Only the modifier 0 gets a response, and only with variables. The other 255 modifiers get
    none.
    """
    answered = [modifier for modifier in range(256) if target.send(modifier=modifier)]
    assert answered == [0]
    assert not [
        modifier
        for modifier in range(256)
        if uwsgi.raw_answer(target.address, uwsgi.packet([], modifier))
    ]
    target.assert_unharmed()


@pytest.mark.parametrize("modifier", ANSWERING)
def test_commands_of_plugins(target: Target, modifier: int) -> None:
    """No command of a plugin in pyuwsgi gets a response, with any second modifier."""
    for detail in range(256):
        assert target.send(modifier=modifier, detail=detail) == b""
    target.assert_unharmed()


@pytest.mark.parametrize("name", ACTING)
def test_variables_with_another_modifier(target: Target, name: str) -> None:
    """A packet with another modifier and a variable on which uWSGI acts is refused with 403 and has
    no effect.
    """
    for modifier in (1, *ANSWERING, 255):
        added = (name, target.attacker.value(name))
        assert target.send(added, modifier=modifier).startswith(FORBIDDEN)
    target.assert_unharmed()


def test_random_packets(target: Target) -> None:
    """A packet of random names, values and modifiers runs nothing and changes nothing."""
    attacker = target.attacker
    values = [*(attacker.value(name) for name in ACTING), "", "=", f"{SET_VARIABLE}="]
    names = st.one_of(
        st.sampled_from(ACTING),
        st.text("ABCEGHILMOPRSTUWY_", max_size=22).map("UWSGI_{}".format),
    )
    added = st.lists(st.tuples(names, st.sampled_from(values)), max_size=6)
    modifiers = st.one_of(st.just(0), st.sampled_from(ANSWERING), st.integers(0, 255))

    @settings(max_examples=200, deadline=None)
    @given(added, modifiers, st.integers(0, 255))
    def attack(added: list[tuple[str, str]], modifier: int, detail: int) -> None:
        answer = target.send(*added, modifier=modifier, detail=detail)
        acting = {name for name, value in dict(added).items() if value} & set(ACTING)
        if acting:
            assert answer.startswith(FORBIDDEN)
        elif modifier:
            assert answer == b""
        target.assert_unharmed()

    attack()


@pytest.mark.parametrize("name", ACTING)
def test_fields_of_the_internal_port(target: Target, name: str) -> None:
    """A header field at the internal port never becomes a variable on which uWSGI acts."""
    fields = {name: target.attacker.value(name), "SCRIPT_NAME": "/evil", "REQUEST_ID": "attack"}
    lines = [f"{field}: {value}" for field, value in fields.items()]
    sent = "\r\n".join(["GET /healthz HTTP/1.0", *lines, "", ""]).encode()
    assert uwsgi.raw_answer(target.internal, sent).startswith(b"HTTP/1.0 200 ")
    # An address of the application: the field REQUEST_ID does not make the client a gateway.
    sent = sent.replace(b"/healthz", b"/v1/files/default")
    assert uwsgi.raw_answer(target.internal, sent).startswith(b"HTTP/1.0 404 ")
    target.assert_unharmed()


def test_the_receiver(upload_over_a_file: Target) -> None:
    """The stream server responds only to requests, and a variable on which uWSGI acts does not
    replace the token.
    """
    target = upload_over_a_file
    address = target.server.socket.parent / "receiver.sock"
    for modifier in range(1, 256):
        assert uwsgi.raw_answer(address, uwsgi.packet(target.request(), modifier)) == b""
    for name in ACTING:
        variables = target.request((name, target.attacker.value(name)))
        connection = uwsgi.connect(address)
        connection.sendall(uwsgi.packet(variables))
        assert answer_of(connection).status == 401
    target.assert_unharmed()
