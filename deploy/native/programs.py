"""The programs of the operating system that Wharf and its tests need, and their packages.

`since_debian` is the first release that has or needs a package, so no older release installs it.
This module imports only modules of Debian's python3-minimal, as prepare.py does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple


class Program(NamedTuple):
    """A program of the operating system, its possible paths, and the package that installs it.

    `since_debian` is the first release that has or needs the package; older releases do not get it.
    `mode` is the permission that access(2) checks: a font must be readable, not executable.
    """

    name: str
    places: tuple[str, ...]
    package: str
    needed: bool = True
    since_debian: int = 0
    mode: int = os.X_OK


NGINX = Program("nginx", ("/usr/sbin/nginx", "/usr/local/sbin/nginx"), "nginx")
# Only the commands that `make run` prints use curl.
CURL = Program("curl", ("/usr/bin/curl",), "curl", needed=False)
REDIS = Program("redis-server", ("/usr/bin/redis-server",), "redis-server")
# Debian keeps the server's own binaries off PATH, one directory per version.
POSTGRES = Program("initdb", ("/usr/lib/postgresql/*/bin/initdb",), "postgresql")
CHROMIUM = Program("chromium", ("/usr/bin/chromium",), "chromium")
CHROMEDRIVER = Program("chromedriver", ("/usr/bin/chromedriver",), "chromium-driver")
# The entry is a font, not a program: the width of pages in Chinese depends on it.
CHINESE = Program(
    "wqy-microhei.ttc",
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",),
    "fonts-wqy-microhei",
    mode=os.R_OK,
)
OPENSSL = Program("openssl", ("/usr/bin/openssl",), "openssl")
NPM = Program("npm", ("/usr/bin/npm",), "npm")
# The next two programs simulate faults of disks: strace lets system calls fail, and mkfs.ext4 makes
# file systems for the tests of power cuts. The minimal system of Debian 13 has no mkfs.ext4.
STRACE = Program("strace", ("/usr/bin/strace",), "strace")
E2FSPROGS = Program("mkfs.ext4", ("/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"), "e2fsprogs")
# The package also contains promtool.
PROMETHEUS = Program("prometheus", ("/usr/bin/prometheus",), "prometheus")
# The engine for the tests of images and containers.
DOCKERD = Program("dockerd", ("/usr/sbin/dockerd", "/usr/bin/dockerd"), "docker.io")
# The engine's client, in a separate package since Debian 13.
DOCKER = Program("docker", ("/usr/bin/docker",), "docker-cli", since_debian=13)


def docker_plugin(name: str, since_debian: int = 0) -> Program:
    """Return a plugin of docker's client; Debian's package has the same name."""
    folders = ("/usr/libexec", "/usr/lib", "/usr/local/libexec", "/usr/local/lib")
    places = (f"{folder}/docker/cli-plugins/{name}" for folder in folders)
    return Program(name, (f"/usr/bin/{name}", *places), name, since_debian=since_debian)


# Version 1 or 2 of Compose: Debian 12 has version 1, a program; Debian 13 has version 2, a plugin.
COMPOSE = docker_plugin("docker-compose")
# BuildKit. Without it, the client uses the builder of the engine.
BUILDX = docker_plugin("docker-buildx", since_debian=13)
# A test lists the files of a checkout with git.
GIT = Program("git", ("/usr/bin/git",), "git")
# debootstrap makes the base images from Debian's packages.
DEBOOTSTRAP = Program("debootstrap", ("/usr/sbin/debootstrap",), "debootstrap")
# podman runs manifests of Kubernetes. It uses runc, because Debian's crun refuses hosts with
# cgroups of both versions.
PODMAN = Program("podman", ("/usr/bin/podman",), "podman")
CATATONIT = Program("catatonit", ("/usr/libexec/podman/catatonit",), "catatonit")
RUNC = Program("runc", ("/usr/sbin/runc", "/usr/bin/runc"), "runc")
IPTABLES = Program("iptables", ("/usr/sbin/iptables",), "iptables")
# podman 5 cannot remove a network without its name server.
AARDVARK = Program(
    "aardvark-dns", ("/usr/lib/podman/aardvark-dns",), "aardvark-dns", since_debian=13
)
# An object store: a monitor, one OSD and radosgw, and the commands that make them a cluster.
CEPH = (
    Program("ceph-mon", ("/usr/bin/ceph-mon",), "ceph-mon"),
    Program("ceph-osd", ("/usr/bin/ceph-osd",), "ceph-osd"),
    Program("ceph", ("/usr/bin/ceph",), "ceph-common"),
    Program("radosgw", ("/usr/bin/radosgw",), "radosgw"),
)

# Separate environments below .venv: lock files of requirements/, with further arguments of pip.
CHECKERS: dict[str, dict[str, tuple[str, ...]]] = {
    "k8s": {"k8s.txt": (), "kustomize.txt": ("--no-deps", "--ignore-requires-python")}
}
SITE: dict[str, dict[str, tuple[str, ...]]] = {"site": {"site.txt": ()}}
SWIFT: dict[str, dict[str, tuple[str, ...]]] = {"swift": {"swift.txt": ()}}


class Goal(NamedTuple):
    """The packages and programs that one way of using the repository needs.

    `lock` is the file of Python packages; without one, only programs are installed. `assets` tells
    whether the console's pages are built. `scripts` names folders of requirements/ with packages
    from npm. `environments` names the separate environments of programs whose packages conflict
    with ours.
    """

    lock: str
    programs: tuple[Program, ...]
    assets: bool = False
    scripts: tuple[str, ...] = ()
    environments: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType({})


CONTRACT = (NGINX, CURL._replace(needed=True), REDIS, POSTGRES, PROMETHEUS, STRACE)
ENGINES = (DOCKERD, DOCKER, COMPOSE, BUILDX, DEBOOTSTRAP, RUNC, IPTABLES, GIT)
PODS = (PODMAN, CATATONIT, AARDVARK, OPENSSL)
BROWSER = (CHROMIUM, CHROMEDRIVER, CHINESE, NPM)
GOALS = {
    "run": Goal("all", (NGINX, CURL), assets=True),
    "dev": Goal("dev", ()),
    "lint": Goal("dev", (), scripts=("prose",)),
    "site": Goal("dev", (), environments=SITE),
    "unit": Goal("dev", ()),
    "services": Goal("dev", (*CONTRACT, OPENSSL)),
    "contract": Goal("dev", (*CONTRACT, *CEPH, OPENSSL), environments=SWIFT),
    "compose": Goal("dev", (*CONTRACT, *ENGINES), assets=True),
    "test": Goal(
        "dev",
        (*CONTRACT, *ENGINES, *PODS, *BROWSER, *CEPH, E2FSPROGS),
        assets=True,
        scripts=("browser",),
        environments={**CHECKERS, **SITE, **SWIFT},
    ),
    "k8s": Goal("dev", (OPENSSL,), environments=CHECKERS),
}
GOALS["programs"] = Goal("", GOALS["test"].programs)


def debian_release(file: Path = Path("/etc/os-release")) -> int:
    """Return the Debian release of this machine, from os-release(5).

    Another system counts as the newest release. So does Debian's next release, which has no number.
    """
    try:
        lines = file.read_text().splitlines()
    except OSError:
        lines = []
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    number = facts.get("VERSION_ID", "").strip('"')
    return int(number) if facts.get("ID") == "debian" and number.isdecimal() else sys.maxsize
