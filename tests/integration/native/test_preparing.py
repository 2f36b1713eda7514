"""Preparations before a run or a test: Python, and the packages of Python, Debian and npm."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from tests.servers.needs import lacking

NATIVE = Path(__file__).parents[3] / "deploy/native"


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return prepare.py as a module that works on a separate checkout with an environment."""
    spec = importlib.util.spec_from_file_location("prepare", NATIVE / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path in ("requirements/all.txt", "requirements/dev.txt", "package/pyproject.toml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    venv = tmp_path / ".venv"
    site = venv / f"lib/python3.{sys.version_info.minor}/site-packages"
    (site / "flask-1.dist-info").mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin/python").symlink_to(sys.executable)
    (venv / "pyvenv.cfg").write_text(f"home = /usr/bin\ncommand = python -m venv {venv}\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "STAMP", venv / "wharf-stamp")
    monkeypatch.setattr(module, "PACKAGES", ("package",))
    (venv / "wharf-stamp").write_text(f"{module.wanted_key('all')}\nflask-1.dist-info\n")
    return module


def test_nothing_changed(prepare: ModuleType) -> None:
    """An environment is used if it was made in the same place from the same lock file."""
    assert prepare.usable()
    assert prepare.fresh("all")


def test_the_larger_environment_serves_both(prepare: ModuleType) -> None:
    """An environment for development suits a run, but one for a run does not suit tests."""
    assert not prepare.fresh("dev")
    prepare.STAMP.write_text(prepare.wanted_key("dev"))
    assert prepare.fresh("dev")
    assert prepare.fresh("all")


@pytest.mark.parametrize("changed", ["requirements/all.txt", "package/pyproject.toml"])
def test_changed_requirements(prepare: ModuleType, changed: str) -> None:
    """A changed lock file or package makes the environment stale."""
    (prepare.ROOT / changed).write_text("changed")
    assert not prepare.fresh("all")


def test_a_removed_package(prepare: ModuleType) -> None:
    """An environment from which a package was uninstalled is stale."""
    next(prepare.VENV.glob("lib/*/site-packages/flask-1.dist-info")).rmdir()
    assert not prepare.fresh("all")


def test_a_moved_environment(prepare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A moved environment is not used: its scripts name the old place."""
    moved = prepare.ROOT / "moved"
    prepare.VENV.rename(moved)
    monkeypatch.setattr(prepare, "VENV", moved)
    assert not prepare.usable()


def test_a_broken_environment(prepare: ModuleType) -> None:
    """An environment whose Python was removed, as by an upgrade of the system, is not used."""
    python = prepare.VENV / "bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    assert not prepare.usable()


def test_programs_are_found_off_the_path(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that Debian keeps off PATH counts as installed."""
    binary = tmp_path / "15/bin/initdb"
    binary.parent.mkdir(parents=True)
    binary.touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    program = prepare.Program("initdb", (f"{tmp_path}/*/bin/initdb",), "postgresql")
    assert prepare.found(program)
    binary.unlink()
    assert prepare.missing_packages((program,)) == ["postgresql"]


def test_what_is_read_needs_no_right_to_execute(prepare: ModuleType, tmp_path: Path) -> None:
    """A font only needs to be readable to count as installed."""
    font = tmp_path / "letters.ttc"
    font.touch(0o644)
    program = prepare.Program("letters.ttc", (str(font),), "fonts-of-letters")
    assert not prepare.found(program)
    assert prepare.found(program._replace(mode=os.R_OK))
    fonts = [one for one in prepare.GOALS["test"].programs if one.package.startswith("fonts-")]
    assert {one.mode for one in fonts} == {os.R_OK}


def test_what_is_only_convenient(prepare: ModuleType) -> None:
    """A package that is only convenient is never installed alone, but together
    with a needed package.
    """
    needed = prepare.Program("no-such-program", (), "needed")
    convenient = prepare.Program("no-such-program", (), "convenient", needed=False)
    assert prepare.missing_packages((convenient,)) == []
    assert prepare.missing_packages((needed, convenient)) == ["needed", "convenient"]


def test_the_consoles_scripts_are_not_needed(
    prepare: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    """An error of the program that builds the console's scripts is printed, and the preparation
    continues.
    """
    tool = prepare.ROOT / "services/console/tools/build_assets.py"
    tool.parent.mkdir(parents=True)
    tool.write_text("print('built')")
    prepare.ensure_assets()
    assert capfd.readouterr().out == "built\n"
    tool.write_text("raise SystemExit('the disk is full')")
    prepare.ensure_assets()
    said = capfd.readouterr()
    assert said.err == "the disk is full\n"
    assert said.out == "wharf: the console's pages go without scripts; the reason is above\n"


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('ID=debian\nVERSION_ID="12"\n', 12),
        ("VERSION_ID=13\nID=debian\n", 13),
        ("ID=debian\nVERSION_CODENAME=forky\n", sys.maxsize),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', sys.maxsize),
        ("", sys.maxsize),
    ],
)
def test_the_release(prepare: ModuleType, tmp_path: Path, text: str, release: int) -> None:
    """Debian's release is its version number. Other systems, and Debian's next release, count
    as the newest release.
    """
    file = tmp_path / "os-release"
    file.write_text(text)
    assert prepare.debian_release(file) == release
    file.unlink()
    assert prepare.debian_release(file) == sys.maxsize


@pytest.mark.parametrize(("release", "packages"), [(12, ["old"]), (13, ["old", "new"])])
def test_what_a_release_lacks(
    prepare: ModuleType, monkeypatch: pytest.MonkeyPatch, release: int, packages: list[str]
) -> None:
    """A program is omitted on a release that does not have its package."""
    monkeypatch.setattr(prepare, "debian_release", lambda: release)
    old = prepare.Program("no-such-program", (), "old")
    new = prepare.Program("no-such-program", (), "new", since_debian=13)
    assert prepare.missing_packages((old, new)) == packages


def test_this_release_has_all_packages(prepare: ModuleType) -> None:
    """Debian's archive has each package that `make test` would install on this release."""
    release = prepare.debian_release()
    programs = prepare.GOALS["test"].programs
    wanted = {one.package for one in programs if one.since_debian <= release}
    if shutil.which("apt-cache") is None:
        lacking("there is no apt-cache: this is not Debian")
    listed = subprocess.run(
        ["apt-cache", "policy", *wanted],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Candidate: " not in listed:
        lacking("apt has no package lists; run 'apt-get update'")
    found = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (?!\(none\))", listed, re.MULTILINE)
    assert set(found) == wanted


def test_without_root(prepare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not install packages gets one line with the names of the missing packages."""
    monkeypatch.setattr(prepare, "as_root", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        prepare.install_packages(["nginx", "curl"])
    assert "nginx curl" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_packages_of_npm_are_needed(prepare: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """A script of the checkout installs npm packages. If the script fails, only
    its line is printed.
    """
    tool = prepare.ROOT / "services/console/tools/node_packages.py"
    tool.parent.mkdir(parents=True)
    tool.write_text("import sys; print(sys.argv[1])")
    prepare.ensure_scripts("prose")
    tool.write_text("import sys; sys.exit('the reason')")
    with pytest.raises(SystemExit) as stopped:
        prepare.ensure_scripts("prose")
    assert stopped.value.code == 1
    said = capfd.readouterr()
    assert (said.out, said.err) == ("prose\n", "the reason\n")


def test_environments_of_their_own(prepare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment is made once for its lock files, and again when one of them changes."""
    ran: list[str] = []
    done = prepare.VENV / "swift"

    def run_quietly(command: list[str], failure: str) -> None:
        done.mkdir(exist_ok=True)
        ran.append(" ".join(command[1:4]))

    monkeypatch.setattr(prepare, "run_quietly", run_quietly)
    lock = prepare.ROOT / "requirements/swift.txt"
    for content in ("one", "two"):
        lock.write_text(content)
        prepare.ensure_environment("swift", {"swift.txt": ()})
        prepare.ensure_environment("swift", {"swift.txt": ()})
    assert ran == ["-m venv --clear", "-m pip --disable-pip-version-check"] * 2


@pytest.mark.parametrize(
    "script",
    [
        'test "$1" = --version && echo Python 3.9.2 || exit 1',
        "echo 'no such version' >&2; echo 'and more' >&2; exit 127",
    ],
)
def test_an_old_python(tmp_path: Path, script: str) -> None:
    """A Python that is too old or does not work is reported in one line."""
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["sh", str(NATIVE / "prepare.sh"), "run"],
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_who_needs_scripts_of_the_console(prepare: ModuleType) -> None:
    """Only a run, the images and the tests build the console's scripts. `make lint`
    does not build them.
    """
    wanted = {name for name, goal in prepare.GOALS.items() if goal.assets}
    assert wanted == {"run", "compose", "test"}


def test_only_lint_needs_the_checkers_of_words(prepare: ModuleType) -> None:
    """Only `make lint` installs the checkers of words, and only tests
    install the browser's packages.
    """
    wanted = {name: goal.scripts for name, goal in prepare.GOALS.items() if goal.scripts}
    assert wanted == {"lint": ("prose",), "test": ("browser",)}


def test_unit_tests_need_no_program(prepare: ModuleType) -> None:
    """The goal `unit` requires no program and no extra environment."""
    assert prepare.GOALS["unit"].programs == ()
    assert not prepare.GOALS["unit"].environments


def test_two_installs_take_turns(tmp_path: Path) -> None:
    """Installations of packages run one after the other, and each one forbids starts of services
    until its own end.
    """
    (tmp_path / "policy").mkdir()
    script = tmp_path / "apt_install.sh"
    text = (NATIVE / "apt_install.sh").read_text()
    script.write_text(text.replace("/usr/sbin", str(tmp_path / "policy")))
    apt = tmp_path / "bin/apt-get"
    apt.parent.mkdir()
    apt.write_text(
        f"#!/bin/sh\necho begins >>{tmp_path}/seen\nsleep 0.3\n"
        f"[ -x {tmp_path}/policy/policy-rc.d ] && echo forbidden >>{tmp_path}/seen\n"
        f"echo ends >>{tmp_path}/seen\n"
    )
    apt.chmod(0o755)
    environ = {**os.environ, "PATH": f"{apt.parent}:{os.environ['PATH']}"}
    installs = [subprocess.Popen(["sh", str(script), "x"], env=environ) for _ in range(3)]
    assert [install.wait(60) for install in installs] == [0, 0, 0]
    assert (tmp_path / "seen").read_text().split() == ["begins", "forbidden", "ends"] * 3
    assert not (tmp_path / "policy/policy-rc.d").exists()


def test_programs_alone(prepare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The goal `programs` installs the programs of `make test` without changing `.venv`."""
    installed: list[list[str]] = []
    monkeypatch.setattr(prepare, "install_packages", installed.append)
    monkeypatch.setattr(prepare, "found", lambda _: False)
    monkeypatch.setattr(prepare, "ensure_venv", lambda *_, **__: pytest.fail("touches .venv"))
    for goal in ("programs", "test"):
        monkeypatch.setattr(sys, "argv", ["prepare.py", goal])
        with suppress(pytest.fail.Exception):
            prepare.main()
    assert installed[0] == installed[1]
    assert "nginx" in installed[0]
