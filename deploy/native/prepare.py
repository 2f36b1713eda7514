"""Makes `.venv` and installs the programs that Wharf and its tests need.

prepare.sh starts this program, which runs on a bare Debian machine with any Python from 3.11 on.
Debian's python3-minimal is enough, so this file imports only modules of that package (no shutil, no
json). When nothing has changed, the program reads a stamp and ends within about 50 ms.

    prepare.py run       what `make run` needs: packages of all.txt, nginx, the console's scripts
    prepare.py dev       what types and format need: packages of dev.txt
    prepare.py lint      what `make lint` needs: dev, and the checkers of words and links
                         (requirements/prose)
    prepare.py site      what `make site` needs: dev, and the site's generator in .venv/site
    prepare.py unit      what `make unit` needs: packages of dev.txt, and no program of Debian's
    prepare.py services  what `make release-test` needs: dev, nginx, curl, Redis, PostgreSQL,
                         Prometheus, strace, OpenSSL
    prepare.py contract  what `make contract` needs: services, Ceph, and Swift in .venv/swift
    prepare.py compose   what `make compose-test` needs: dev, nginx, curl, Redis, PostgreSQL,
                         Prometheus, strace, Docker with Compose and buildx, runc, iptables,
                         debootstrap, git, the console's scripts
    prepare.py test      what `make test` needs: contract, compose, podman, mkfs.ext4, npm, a
                         browser with a Chinese font and with the scripts of others that it
                         loads (requirements/browser), site and k8s
    prepare.py k8s       what `make k8s` needs: dev, OpenSSL, and the checkers of manifests in
                         .venv/k8s
    prepare.py programs  Debian's packages of `test` alone: CI installs them while pip works
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "wharf-stamp"
PACKAGES = (
    "libs/kept_sockets",
    "libs/servicekit",
    "libs/socket_guard",
    "services/auth",
    "services/console",
    "services/images",
    "services/upload",
    "deploy/gateway",
    "deploy/native",
)

sys.path.insert(0, str(ROOT))  # -I leaves out the folder of the script

from deploy.native.programs import GOALS, Program, debian_release  # noqa: E402 -- see the line above


def stop(line: str) -> NoReturn:
    """End the program with one line that names the missing part and how to get it."""
    sys.exit(f"wharf: {line}")


def log(line: str) -> None:
    """Print a line before a step that takes a while; a run without changes prints nothing."""
    print(f"wharf: {line}", flush=True)


def found(program: Program) -> bool:
    """Tell whether the program is on PATH or in one of the places of Debian's package."""
    on_path = (f"{d}/{program.name}" for d in os.environ.get("PATH", "").split(":") if d)
    installed = (hit for place in program.places for hit in glob(place))
    return any(os.access(path, program.mode) for path in (*on_path, *installed))


def as_root() -> list[str] | None:
    """Return the words to put before a command that needs root; None when root is not available.

    Use sudo only when it does not ask for a password: a person does not expect a prompt in the
    middle of `make`.
    """
    if os.geteuid() == 0:
        return []
    try:
        asks_nothing = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    except OSError:
        return None
    return None if asks_nothing.returncode else ["sudo", "-n"]


def run_quietly(command: list[str], failure: str) -> None:
    """Run a command; when it fails, show its output and end the program."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        if done.returncode == 0:
            return
        output.seek(0)
        sys.stderr.write(output.read().decode(errors="replace"))
    stop(f"{failure} (exit code {done.returncode}, its output is above)")


def install_packages(packages: list[str]) -> None:
    """Install Debian packages, or end with one line about what a person must do."""
    wanted = " ".join(packages)
    if not os.access("/usr/bin/apt-get", os.X_OK):
        stop(f"install {wanted} with this system's package manager, then try again")
    prefix = as_root()
    if prefix is None:
        stop(f"not root and no passwordless sudo: run 'apt-get install {wanted}' as root first")
    log(f"installing {wanted} with apt-get (services stay off)")
    script = str(ROOT / "deploy/native/apt_install.sh")
    run_quietly([*prefix, "/bin/sh", script, *packages], f"could not install {wanted}")


def missing_packages(programs: tuple[Program, ...]) -> list[str]:
    """Return the Debian packages of the missing programs that this release has.

    The result is empty if no needed program is missing: programs that are not needed are installed
    only together with a needed one.
    """
    release = debian_release()
    missing = [p for p in programs if p.since_debian <= release and not found(p)]
    if not any(program.needed for program in missing):
        return []
    return [program.package for program in missing]


def missing_venv_package() -> list[str]:
    """Return Debian's package with venv and ensurepip when this Python lacks them."""
    try:
        import ensurepip  # noqa: F401  the import is the question
        import venv  # noqa: F401
    except ImportError:
        return [f"python{sys.version_info.major}.{sys.version_info.minor}-venv"]
    return []


def wanted_key(lock: str) -> str:
    """Return a hash of everything that the virtual environment depends on.

    A new hash means that the environment is built again. The path of the checkout is part of the
    hash, because the environment's scripts and its links to Wharf's packages contain that path.
    """
    digest = hashlib.sha256(f"{ROOT}\n{sys.version_info[:2]}\n{lock}\n".encode())
    for path in (f"requirements/{lock}.txt", *(f"{p}/pyproject.toml" for p in PACKAGES)):
        digest.update((ROOT / path).read_bytes())
    return digest.hexdigest()


def distributions() -> set[str]:
    """Return the names and versions of the packages in the virtual environment."""
    return {Path(path).name for path in glob(f"{VENV}/lib/python3.*/site-packages/*.dist-info")}


def usable() -> bool:
    """Tell whether the environment was made at this path and its interpreter starts.

    A moved environment starts too, but the first lines of its scripts contain the old path. The
    command in pyvenv.cfg ends with the path at which the environment was made.
    """
    question = "import sys; print(*sys.version_info[:2])"
    try:
        made_by = (VENV / "pyvenv.cfg").read_text().splitlines()
        answer = subprocess.run(
            [VENV / "bin/python", "-I", "-c", question], capture_output=True, text=True, check=False
        )
    except (OSError, ValueError):
        return False
    here = any(line.startswith("command") and line.endswith(f" {VENV}") for line in made_by)
    return here and answer.stdout.split() == [*map(str, sys.version_info[:2])]


def fresh(lock: str) -> bool:
    """Tell whether the environment has all packages that `lock` names.

    dev.txt contains everything in all.txt, so an environment for dev.txt serves both.
    """
    try:
        key, *recorded = STAMP.read_text().splitlines()
    except (OSError, ValueError):
        return False
    return key in {wanted_key(lock), wanted_key("dev")} and distributions().issuperset(recorded)


def make_venv() -> None:
    """Make an empty virtual environment in `.venv` with this Python, in place of an earlier one."""
    log(f"making .venv with Python {sys.version.split()[0]}")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    run_quietly(command, "could not make .venv")


def pip_install(*arguments: str, failure: str, venv: Path | None = None) -> None:
    """Install packages with pip of the environment `venv`, by default `.venv`; never prompt."""
    python = str((venv or VENV) / "bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_quietly([*pip, "install", "--quiet", *arguments], failure)


def ensure_venv(lock: str, *, working: bool) -> None:
    """Install the packages of `lock` and Wharf's own packages into `.venv`, if anything changed."""
    if working and fresh(lock):
        return
    if not working:
        make_venv()
    STAMP.unlink(missing_ok=True)
    log(f"installing the packages of requirements/{lock}.txt")
    # Only wheels: no build script of another project runs, and a machine without a compiler fails
    # here with a clear line.
    lock_file = str(ROOT / f"requirements/{lock}.txt")
    pip_install(
        *("--require-hashes", "--only-binary", ":all:", "-r", lock_file),
        failure=f"could not install requirements/{lock}.txt",
    )
    own = (word for package in PACKAGES for word in ("--editable", str(ROOT / package)))
    pip_install(
        *("--no-deps", "--no-build-isolation", "--force-reinstall", *own),
        failure="could not install Wharf's own packages",
    )
    STAMP.write_text("\n".join([wanted_key(lock), *sorted(distributions())]) + "\n")


def ensure_scripts(name: str) -> None:
    """Install into `.venv/NAME` the npm packages that requirements/NAME lists, or stop.

    A separate program does this: it needs modules that python3-minimal lacks. If it fails, it has
    printed the reason in one line.
    """
    tool = ROOT / "services/console/tools/node_packages.py"
    if subprocess.run([VENV / "bin/python", "-I", tool, name], check=False).returncode != 0:
        sys.exit(1)


def ensure_assets() -> None:
    """Build the console's scripts and styles if their sources changed; log a failure and continue.

    A separate program does this: it needs modules that python3-minimal lacks.
    """
    tool = ROOT / "services/console/tools/build_assets.py"
    if subprocess.run([VENV / "bin/python", "-I", tool], check=False).returncode != 0:
        log("the console's pages go without scripts; the reason is above")


def ensure_environment(name: str, locks: Mapping[str, tuple[str, ...]]) -> None:
    """Install lock files into `.venv/NAME`, if they changed.

    `locks` maps each lock file to further arguments of pip. A stamp with the lock files' contents
    is written last.
    """
    target = VENV / name
    stamp, files = target / "done", [ROOT / "requirements" / lock for lock in locks]
    wanted = b"".join(file.read_bytes() for file in files)
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return
    log(f"installing the packages of requirements/{name}.txt into .venv/{name}")
    command = [sys.executable, "-m", "venv", "--clear", str(target)]
    run_quietly(command, f"could not make .venv/{name}")
    for file, words in zip(files, locks.values(), strict=True):
        pip_install(
            *("--require-hashes", "--only-binary", ":all:", *words, "-r", str(file)),
            failure=f"could not install requirements/{file.name}",
            venv=target,
        )
    stamp.write_bytes(wanted)


def main() -> None:
    """Prepare for the goal on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in GOALS:
        stop(f"usage: prepare.py {'|'.join(GOALS)}")
    goal = GOALS[sys.argv[1]]
    if not goal.lock:
        # Nothing in the checkout changes: another process may make `.venv` at the same time.
        if missing := missing_packages(goal.programs):
            install_packages(missing)
        return
    # Two concurrent runs of make take turns; a lock on the directory leaves no file behind.
    checkout = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)
    working = usable()
    missing = missing_packages(goal.programs) + ([] if working else missing_venv_package())
    if missing:
        install_packages(missing)
    ensure_venv(goal.lock, working=working)
    if goal.assets:
        ensure_assets()
    for name in goal.scripts:
        ensure_scripts(name)
    for name, locks in goal.environments.items():
        ensure_environment(name, locks)


if __name__ == "__main__":
    main()
