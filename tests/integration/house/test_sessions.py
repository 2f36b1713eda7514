"""The pytest plugins of this repository in a separate pytest: skips, order, responses and ports."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ports
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
_SKIPS = """
import pytest

def test_skips():
    pytest.skip("nobody listed this")

@pytest.mark.xfail(reason="an expected failure is no skip", strict=True)
def test_expected():
    assert False
"""
_MODULE = "import pytest\npytest.skip('the whole module', allow_module_level=True)\n"
_STORY = "import pytest\npytestmark = pytest.mark.story\n"
_SEEN = """
from tests.session import answers

def test_sees():
    answers.DECLARED["GET", "/v1/usage"] = {"responses": {"200": {}}}
    answers.SEEN["GET", "/v1/usage", STATUS] = "the test"
"""


def run(folder: Path, plugin: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one pytest on a folder, with one of this repository's plugins."""
    environ = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    plugins = ("-p", "no:cacheprovider", "-p", f"tests.session.{plugin}")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", *plugins, *words, "-c", "/dev/null", str(folder)],
        env={**environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **more},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("content", "words"), [(_SKIPS, "1 failed"), (_MODULE, "1 error")])
def test_what_is_skipped_fails(tmp_path: Path, content: str, words: str) -> None:
    """A skipped test or module that is not listed fails the run, which prints the reason."""
    (tmp_path / "test_x.py").write_text(content)
    done = run(tmp_path, "skips")
    assert done.returncode != 0
    assert words in done.stdout
    assert "which allowed_skips.toml does not allow here" in done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return three folders with three modules of five tests each; one module is marked `story`."""
    for folder in "abc":
        (tmp_path / folder).mkdir()
        for module in "123":
            text = "".join(f"def test_{name}():\n    pass\n\n" for name in "vwxyz")
            story = _STORY if folder + module == "b2" else ""
            (tmp_path / folder / f"test_{folder}{module}.py").write_text(story + text)
    return tmp_path


def collected(folder: Path, seed: int) -> list[str]:
    """Return the tests in the order in which they would run."""
    words = ("--collect-only", "-q", "-p", "pytest_randomly", f"--randomly-seed={seed}")
    said = run(folder, "order", *words)
    return [line for line in said.stdout.splitlines() if "::" in line]


def test_order_is_random_within_bounds(tree: Path) -> None:
    """A seed determines the order of tests. Folders and modules stay together.

    The tests of a module that is marked as a story stay in the order of the file.
    """
    first, again, other = (collected(tree, seed) for seed in (1, 1, 2))
    assert first == again
    assert sorted(first) == sorted(other)
    assert first != other
    for order in (first, other):
        for depth in ("/", "::"):
            places = [name.rpartition(depth)[0] for name in order]
            assert len(list(itertools.groupby(places))) == len(set(places))
        assert [name[-1] for name in order if "test_b2" in name] == list("vwxyz")
        assert [name[-1] for name in order if "test_b1" in name] != list("vwxyz")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (418, 1)])
def test_a_session_judges_what_it_saw(tmp_path: Path, status: int, code: int) -> None:
    """A response that no document declares fails the session, and the report names the test."""
    (tmp_path / "test_x.py").write_text(_SEEN.replace("STATUS", str(status)))
    done = run(tmp_path, "answers")
    assert done.returncode == code, done.stdout
    assert ("GET /v1/usage: 418, first seen by the test" in done.stdout) is bool(code)
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(("statuses", "code"), [((200, 200), 0), ((200, 418), 1), ((), 1)])
def test_sessions_are_judged_together(tmp_path: Path, statuses: tuple[int, ...], code: int) -> None:
    """The check of all sessions fails on an undeclared response, and on a folder
    without any session.
    """
    answers = tmp_path / "answers"
    for number, status in enumerate(statuses):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "test_x.py").write_text(_SEEN.replace("STATUS", str(status)))
        done = run(folder, "answers", WHARF_ANSWERS=str(answers))
        assert done.returncode == 0, done.stdout
    judged = subprocess.run(
        [sys.executable, "-m", "tests.session.answers", str(answers)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == code, judged.stderr
    assert ("418" in judged.stderr) == (418 in statuses)


def test_two_processes_get_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """No port is handed out twice, not even to another process, and all ports are below those that
    the kernel hands out.
    """
    monkeypatch.setattr(
        "random.SystemRandom.shuffle", lambda _self, blocks: blocks.sort(reverse=True)
    )
    several = [ports._Ports() for _ in range(3)]
    taken = [one.take() for one in several for _ in range(ports._BLOCK + 1)]
    command = [sys.executable, "-I", str(ROOT / "tests/servers/ports.py"), "100"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        said, _ = other.communicate()
    taken += map(int, said.split())
    for claim in itertools.chain.from_iterable(one._claims for one in several):
        claim.close()
    assert len(taken) == len(set(taken)) == 3 * (ports._BLOCK + 1) + 100
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    assert max(taken) < int(ephemeral[0])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.7", ""])
def test_a_port_in_use_is_not_handed_out(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port at which a process listens, on any address, is not handed out."""
    with socket.create_server((address, free_port())) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr(ports._own[0], "_left", [taken])
        assert free_port() != taken
