"""A Ceph cluster of the tests: a monitor, an OSD in memory, and radosgw.

The cluster has real Ceph keys (cephx), and no manager, because no test needs one.
"""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from tests.servers.certificates import Certificate
from tests.servers.daemons import Daemons, program
from tests.servers.ports import free_ports

# Debian 13's `osd class dir` is relative to /, so an absolute one is set.
_CONFIG = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/$name.keyring
run dir = {folder}
admin socket =
pid file =
crash dir = {folder}
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
debug ms = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail warn = 2
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
osd objectstore = memstore
memstore device bytes = 6G
osd class dir = {classes}
osd class load list = *
osd class default list = *
osd op num shards = 2
rgw frontends = beast endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} \
ssl_certificate={certificate} ssl_private_key={private_key} tcp_nodelay=1
rgw dns name = localhost
rgw thread pool size = 64
rgw enable apis = s3, admin
rgw gc obj min wait = 60
"""
_MONITOR_CAPS = ("--cap", "mon", "allow *")
_ADMIN_CAPS = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
_OSD_CAPS = ("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")
_RGW_CAPS = ("--cap", "mon", "allow rw", "--cap", "osd", "allow rwx")


class Cluster:
    """A cluster that runs until `stop`. radosgw listens on `port`, and with TLS on `tls_port`."""

    def __init__(self, folder: Path, access_key: str, secret_key: str) -> None:
        self.folder, self.daemons = folder, Daemons(folder)
        self.certificate = Certificate(folder)
        self.port, self.tls_port, self._mon_port = free_ports(3)
        self._fsid = str(uuid4())
        try:
            self._configure()
            self._start_monitor()
            self._start_osd()
            self._start_gateway(access_key, secret_key)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes of the cluster."""
        self.daemons.stop()

    def _configure(self) -> None:
        config = _CONFIG.format(
            fsid=self._fsid,
            folder=self.folder,
            mon_port=self._mon_port,
            port=self.port,
            tls_port=self.tls_port,
            certificate=self.certificate.chain,
            private_key=self.certificate.key,
            classes=next(Path("/usr/lib").glob("*/rados-classes")),
        )
        (self.folder / "ceph.conf").write_text(config)
        for name in ("mon", "osd", "rgw"):
            (self.folder / name).mkdir()
        for name, caps in (
            ("mon.", _MONITOR_CAPS),
            ("client.admin", _ADMIN_CAPS),
            ("osd.0", _OSD_CAPS),
            ("client.rgw", _RGW_CAPS),
        ):
            # The monitor's own name ends with a dot, but the file is named by `$name`.
            file = "mon.a.keyring" if name == "mon." else f"{name}.keyring"
            self._run("ceph-authtool", "-C", file, "--gen-key", "-n", name, *caps)
        # The keys that the monitor knows from the beginning.
        (self.folder / "all.keyring").write_bytes(
            b"\n".join(path.read_bytes() for path in self.folder.glob("*.keyring"))
        )

    def _start_monitor(self) -> None:
        address = f"[v2:127.0.0.1:{self._mon_port}]"
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, "monmap")
        made = ("--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "all.keyring")
        self._run("ceph-mon", *made, "-c", "ceph.conf")
        self._start("ceph-mon", "-i", "a")
        self._ceph("--connect-timeout", "30", "mon", "stat")

    def _start_osd(self) -> None:
        uuid = str(uuid4())
        self._ceph("osd", "new", uuid)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", uuid, "-c", "ceph.conf")
        self._start("ceph-osd", "-i", "0")
        # A client that asks before the OSD is up repeats its request only after five seconds.
        up = re.compile(r"\b1 up\b")
        self.daemons.wait_until(lambda: bool(up.search(self._ceph("osd", "stat"))), "an OSD")

    def _start_gateway(self, access_key: str, secret_key: str) -> None:
        self._start("radosgw", "-n", "client.rgw")
        user = ("user", "create", "--uid", "wharf", "--display-name", "Wharf")
        keys = ("--access-key", access_key, "--secret-key", secret_key)
        self._run("radosgw-admin", "-c", "ceph.conf", "-n", "client.admin", *user, *keys)
        self.daemons.await_port(self.port)
        self.daemons.await_port(self.tls_port)

    def _run(self, name: str, *words: str) -> str:
        return self.daemons.run(program(name), *words)

    def _ceph(self, *words: str) -> str:
        return self._run("ceph", "-c", "ceph.conf", *words)

    def _start(self, name: str, *words: str) -> None:
        self.daemons.start(name, [program(name), "-f", *words, "-c", "ceph.conf"])
