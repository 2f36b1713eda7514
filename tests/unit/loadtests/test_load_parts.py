"""The two parts of a load test, the judge and the users, and the messages between the parts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from loadtests.load import head as head_module
from loadtests.load import messages
from loadtests.load.administrator import Administrator
from loadtests.load.api import Account, Api, SiteFailed
from loadtests.load.crew import Crew
from loadtests.load.head import FAILED, HELD, MISSED, Head
from loadtests.load.selection import drop_idle_classes, is_everything
from loadtests.load.site import Site

HOST = "http://wharf.test"


class Cancelled(BaseException):
    """The error with which the simulated `cancel` ends the start of a load test."""


class Worker:
    """A simulated worker, which passes each message to the master immediately."""

    def __init__(self, name: str, network: Network) -> None:
        self.name, self._network = name, network
        self.crew = Crew(self)  # type: ignore[arg-type]
        self.answers = True
        event = SimpleNamespace(fire=lambda **_: None)
        self._environment: Any = SimpleNamespace(
            events=SimpleNamespace(report_to_master=event), stop_timeout=1.0
        )

    def stop(self) -> None:
        """Do nothing. The worker of locust stops its users here."""

    def store(self, tenant: str, key: str, digest: str) -> None:
        """Store the facts of a file, as a user does after an upload."""
        assert self.crew.site
        account = {one.tenant: one for one in self.crew.site.quiet}[tenant]
        account.stored[key] = digest

    def take(self, name: str, data: Any) -> None:
        """Receive a message of the master."""
        if name == messages.SITE:
            self.crew.take_site(SimpleNamespace(data=data))  # type: ignore[arg-type]
        elif name == messages.FINISH and self.answers:
            self.crew.finish(self._environment)

    def send_message(self, name: str, data: Any = None) -> None:
        """Send a message to the master."""
        listener: Callable[..., None] = {
            messages.FAULT: self._network.head.note_fault,
            messages.FINISHED: self._network.head.note_finished,
        }[name]
        listener(msg=SimpleNamespace(data=data, node_id=self.name))


class Network:
    """A simulated master with workers. `missing` has the names of disconnected workers."""

    def __init__(self, credentials: Path, *workers: str) -> None:
        credentials.write_text('{"client_id": "root", "client_secret": "topsecret"}')
        self.workers = {name: Worker(name, self) for name in workers}
        self.missing: set[str] = set()
        stats: Any = SimpleNamespace(
            entries={
                "GET": SimpleNamespace(
                    name="GET",
                    num_requests=10,
                    num_failures=0,
                    get_response_time_percentile=lambda _: 1.0,
                )
            },
            total=SimpleNamespace(),
            start_time=0.0,
            last_request_timestamp=1.0,
        )
        self.environment: Any = SimpleNamespace(
            host=HOST,
            stats=stats,
            shape_class=None,
            stop_timeout=0.0,
            user_classes=[],
            available_user_classes={},
            runner=SimpleNamespace(send_message=self._send, exceptions={}),
            parsed_options=SimpleNamespace(
                tenants=2, failure_ratio=None, p99_ms=None, requests_per_second=None
            ),
        )
        environment: Any = self.environment
        self.head = Head(environment, HOST, credentials, self._connected, self._cancel)

    def run(self, work: Callable[[], None] = lambda: None) -> int | None:
        """Run a test with locust's events in their order, and return the exit status."""
        self.head.start()
        work()
        self.head.wait_for_workers()
        self.head.judge()
        return self.head.status

    def _connected(self) -> set[str]:
        return set(self.workers) - self.missing

    def _send(self, name: str, data: Any = None, client_id: str | None = None) -> None:
        for worker in self.workers.values():
            if client_id in {None, worker.name}:
                worker.take(name, data)

    @staticmethod
    def _cancel() -> NoReturn:
        raise Cancelled


class FakeAdministrator(Administrator):
    """An administrator that needs no Wharf. `log` contains the steps that it was asked for."""

    log: list[str]

    def set_up(self, quiet: int, *_: object) -> None:
        """Add invented accounts without creating tenants."""
        self.log.append("set up")
        self.site.quiet += [Account(f"t{n}", f"c{n}", "clientsecret") for n in range(quiet)]

    def tear_down(self) -> None:
        """Record the call, and delete nothing."""
        self.log.append("torn down")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the administrator's steps. Wharf's list of files is empty."""
    done: list[str] = []
    monkeypatch.setattr(FakeAdministrator, "log", done, raising=False)
    monkeypatch.setattr(head_module, "Administrator", FakeAdministrator)
    monkeypatch.setattr(Site, "files", lambda _site, _account: iter(()))
    return done


@pytest.fixture
def network(tmp_path: Path, log: list[str]) -> Network:
    """Return a master with two workers."""
    return Network(tmp_path / "credentials.json", "a", "b")


def test_a_good_run_holds(network: Network, log: list[str]) -> None:
    """A run without faults ends with status 0, and its tenants are deleted."""
    assert network.run() == HELD
    assert log == ["set up", "torn down"]


def test_all_workers_get_the_same_tenants(network: Network) -> None:
    """Each worker gets the accounts of all quiet tenants, and has no accounts after the run."""
    seen = []

    def look() -> None:
        for worker in network.workers.values():
            assert worker.crew.site
            seen.append([one.tenant for one in worker.crew.site.quiet])

    network.run(look)
    assert seen == [["t0", "t1"]] * 2
    assert all(worker.crew.site is None for worker in network.workers.values())


def test_a_wrong_byte_on_a_worker_fails_the_run(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """The master fails a run if a worker downloads bytes that differ from the uploaded bytes."""
    assert network.run(lambda: network.workers["b"].crew.report("GET k: differs")) == MISSED
    assert "missed wrong content: GET k: differs" in caplog.text


def test_a_lost_file_of_a_worker_fails_the_run(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """The master fails a run if Wharf's list at the end lacks a file that a worker uploaded."""

    def store() -> None:
        network.workers["a"].store("t1", "k", "0123")

    assert network.run(store) == MISSED
    assert "missed wrong content: t1: k was acknowledged with 0123" in caplog.text
    assert network.workers["a"].crew.failed


def test_a_worker_without_a_report_fails_the_run(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """The master fails a run if a worker disconnects before it has compared its files."""

    def disconnect() -> None:
        network.workers["a"].answers = False
        network.missing.add("a")

    assert network.run(disconnect) == MISSED
    assert "missed report: worker a did not compare its files" in caplog.text


def test_a_worker_that_cannot_compare_ends_the_run_with_status_2(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends with status 2 if Wharf does not respond to a worker at the end."""

    def refuse(*_: object) -> NoReturn:
        raise SiteFailed("no answer")

    def store() -> None:
        network.workers["a"].store("t0", "k", "0123")
        monkeypatch.setattr(Site, "files", refuse)

    assert network.run(store) == FAILED


def test_a_late_worker_gets_the_tenants(network: Network) -> None:
    """A worker that connects during a run gets the tenants, and the master waits for its report."""

    def connect() -> None:
        network.workers["late"] = Worker("late", network)
        network.head.welcome("late")
        network.workers["late"].crew.report("GET k: differs")

    assert network.run(connect) == MISSED
    assert network.workers["late"].crew.site is None


def test_a_second_test_is_judged_alone(network: Network, log: list[str]) -> None:
    """A second run of the same process has new tenants, and no faults of the first run."""
    assert network.run(lambda: network.workers["b"].crew.report("GET k: differs")) == MISSED
    assert network.run() == HELD
    assert log == ["set up", "torn down"] * 2


def test_the_secret_goes_to_one_host_only(
    network: Network, log: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A run against another host than that of `--host`, from the web page, does not start."""
    network.environment.host = "http://elsewhere.test"
    with pytest.raises(Cancelled):
        network.head.start()
    assert log == []
    assert network.head.settle() == FAILED
    assert "--host" in caplog.text


def test_a_test_that_ends_during_its_set_up_has_status_2(network: Network, log: list[str]) -> None:
    """A process that ends while it creates tenants deletes the tenants and ends with status 2."""
    network.head._quitting = True
    with pytest.raises(Cancelled):
        network.head.start()
    assert network.head.settle() == FAILED
    assert log == ["set up", "torn down"]


def test_secrets_are_not_logged(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a log line of a run nor an account as a text contains a secret."""
    caplog.set_level(logging.DEBUG)
    assert network.run(lambda: network.workers["b"].crew.report("GET k: differs")) == MISSED
    shown = caplog.text + repr(Account("t", "c", "clientsecret", token="bearer"))
    assert not any(secret in shown for secret in ("topsecret", "clientsecret", "bearer"))


def test_a_failed_set_up_leaves_no_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator that cannot create all tenants deletes the tenants that it has created."""
    asked: list[str] = []

    def json(_api: Api, method: str, path: str, *_: object) -> dict[str, str]:
        asked.append(f"{method} {path}")
        if len([one for one in asked if one.endswith("/clients")]) == 2:
            raise SiteFailed("no more")
        return {"client_id": "c", "client_secret": "s"}

    monkeypatch.setattr(Api, "json", json)
    monkeypatch.setattr(Api, "login", lambda *_: ("token", 600.0))
    administrator = Administrator(Site(HOST), "root", "s")
    with pytest.raises(SiteFailed):
        administrator.set_up(4)
    created = [one for one in asked if one == "POST /auth/v1/tenants"]
    deleted = [one for one in asked if one.startswith("DELETE /auth/v1/tenants/load-")]
    assert len(created) == len(deleted) == 2


def _class(name: str, **tags: str) -> Any:
    tasks = [SimpleNamespace(locust_tag_set=set(of.split())) for of in tags.values()]
    return type(name, (), {"tasks": tasks})


def test_tags_leave_out_classes_without_a_task() -> None:
    """A user class whose tasks all have other tags is not started."""
    known = {"A": _class("A", one="upload", two="list"), "B": _class("B", one="download")}
    environment: Any = SimpleNamespace(
        available_user_classes=known,
        user_classes=list(known.values()),
        parsed_options=SimpleNamespace(tags=["upload"], exclude_tags=None),
    )
    assert not is_everything(environment)
    drop_idle_classes(environment)
    assert [one.__name__ for one in environment.user_classes] == ["A"]
    assert list(environment.available_user_classes) == ["A"]


def test_all_classes_without_tags_are_everything() -> None:
    """A run is complete only with all user classes and without tags."""
    known = {name: _class(name, one="upload") for name in "AB"}
    environment: Any = SimpleNamespace(
        available_user_classes=known,
        user_classes=list(known.values()),
        parsed_options=SimpleNamespace(tags=None, exclude_tags=None),
    )
    assert is_everything(environment)
    environment.user_classes.pop()
    assert not is_everything(environment)
