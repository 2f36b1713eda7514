"""Builds images of PostgreSQL, Redis, Prometheus and Ceph on machines that cannot pull any.

The images contain programs of this machine, from
Debian's packages, on the base image of the services.

Each image accepts the environment, the files of the first start and the commands of the image
that docker-compose.yml names. Only the source of the programs differs.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

_LIBRARIES = "/opt/engines/lib"
# The base image already contains the loader and the C library, which belong together.
_NOT_COPIED = re.compile(r"/(ld-linux|libc|libm|libdl|libpthread|librt|libresolv)[-.]")

# docker-library/postgres prepares an empty PGDATA in the same steps.
_POSTGRES = """#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --pgdata="$PGDATA" --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" \\
        --auth-host=scram-sha-256 --auth-local=trust --encoding=UTF8 --locale=C.UTF-8
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses=''" --wait start
    for script in /docker-entrypoint-initdb.d/*.sql; do
        psql --set=ON_ERROR_STOP=1 --no-psqlrc --username=postgres --file="$script"
    done
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi
exec "$@"
"""
# initdb needs a name for its user; the original image provides one.
_USER = "wharf:x:10001:10001::/nonexistent:/usr/sbin/nologin\n"


def build(name: str, base: str, dockerfile: str, files: Iterable[str], **written: str) -> str:
    """Build an image from a base image and files of this machine, and return its name.

    Args:
        name: the name of the image with its tag.
        base: the image to build on.
        dockerfile: the lines after `FROM` and the copying.
        files: paths on this machine; a program is copied with its shared libraries.
        written: the text of further files in `/opt/engines`, by name.
    """
    text = f"FROM {base}\nCOPY root/ /\nENV LD_LIBRARY_PATH={_LIBRARIES}\n{dockerfile}\n"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w", dereference=True) as archive:
        _add_text(archive, "Dockerfile", text, 0o644)
        for path in sorted(set(files)):
            archive.add(path, f"root{path}", filter=_readable)
        for path in sorted(_linked(files)):
            archive.add(Path(path).resolve(), f"root{_LIBRARIES}/{Path(path).name}")
        for file, content in written.items():
            _add_text(archive, f"root/opt/engines/{file}", content, 0o755)
    done = subprocess.run(
        ["docker", "build", "--quiet", "--tag", name, "-"],
        input=context.getvalue(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return name


def postgres(name: str, base: str) -> str:
    """Build an image of this machine's newest PostgreSQL, which replaces `postgres:17`."""
    home = max(glob("/usr/lib/postgresql/*"))
    programs = [f"{home}/bin/{program}" for program in ("postgres", "initdb", "pg_ctl")]
    # Just-in-time compilation would need LLVM.
    modules = [path for path in glob(f"{home}/lib/*.so") if "llvmjit" not in path]
    clients = [f"{home}/bin/{program}" for program in ("psql", "pg_isready")]
    share = f"/usr/share/postgresql/{Path(home).name}"
    return build(
        name,
        base,
        "RUN cat /opt/engines/user >>/etc/passwd && mkdir -p /var/lib/postgresql/data && "
        f"chmod 1777 /var/lib/postgresql/data\nENV PATH={home}/bin:$PATH\n"
        'ENTRYPOINT ["/opt/engines/entry"]\nCMD ["postgres", "-c", "jit=off"]',
        [*programs, *modules, *clients, *_files_below(share), *_files_below("/usr/share/zoneinfo")],
        entry=_POSTGRES,
        user=_USER,
    )


def redis(name: str, base: str) -> str:
    """Build an image of this machine's Redis, which replaces `valkey/valkey:8`."""
    return build(name, base, "WORKDIR /data", ["/usr/bin/redis-server", "/usr/bin/redis-cli"])


def prometheus(name: str, base: str) -> str:
    """Build an image of this machine's Prometheus, which replaces `prom/prometheus`."""
    return build(
        name,
        base,
        "RUN mkdir -p /prometheus && chown 65534:65534 /prometheus\nUSER 65534\n"
        'ENTRYPOINT ["/usr/bin/prometheus"]',
        ["/usr/bin/prometheus"],
    )


def ceph(name: str, base: str) -> str:
    """Build an image of this machine's Ceph, as the base image of deploy/store/Dockerfile."""
    programs = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool")
    (classes,) = glob("/usr/lib/*/rados-classes")
    plugins = [*_files_below(classes), *_files_below(f"{Path(classes).parent}/ceph")]
    return build(name, base, "", [*(f"/usr/bin/{program}" for program in programs), *plugins])


def _files_below(folder: str) -> Iterator[str]:
    return (str(path) for path in Path(folder).rglob("*") if path.is_file() or path.is_symlink())


def _linked(files: Iterable[str]) -> set[str]:
    """Return the paths of the shared libraries of programs and of their modules, except the loader
    and the C library.
    """
    objects = [path for path in files if path.endswith(".so") or "/bin/" in path]
    listed = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=False).stdout
    found = set(re.findall(r"=> (/\S+)", listed))
    return {path for path in found if not _NOT_COPIED.search(path)}


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode |= 0o444
    return member


def _add_text(archive: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text.encode()), mode
    archive.addfile(member, io.BytesIO(text.encode()))
