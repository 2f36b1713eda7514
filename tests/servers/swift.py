"""OpenStack's Swift with its S3 interface, from the environment `.venv/swift`.

Swift's folder must be on a filesystem with extended attributes.
"""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from tests.servers.daemons import Daemons
from tests.servers.ports import free_ports

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv/swift/bin"
_RINGS = """
import sys
from swift.common.ring import RingBuilder
for name, port in zip(("object", "container", "account"), sys.argv[1:]):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1",
                     "port": int(port), "device": "disk"})
    builder.rebalance()
    builder.get_ring().save(name + ".ring.gz")
"""
_CONSTANTS = """
[swift-hash]
swift_hash_path_suffix = test
[storage-policy:0]
name = only
default = yes
[swift-constraints]
max_file_size = 5368709122
"""
_COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {folder}
mount_check = false
user = {user}
workers = 0
log_level = WARNING
log_address = {folder}/no-syslog
recon_cache_path = {folder}
fallocate_reserve = 0
"""
_SERVER = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
dns_compliant_bucket_names = true
s3_acl = false
min_segment_size = 5242880
force_swift_request_proxy_log = false
[filter:tempauth]
use = egg:swift#tempauth
user_wharf_{access_key} = {secret_key} .admin
"""
_FILTERS = ("catch_errors", "gatekeeper", "listing_formats", "copy", "slo", "dlo")


class Swift:
    """The proxy, which listens on `port`, and the servers of objects, containers and accounts."""

    def __init__(self, folder: Path, access_key: str, secret_key: str) -> None:
        if not (ENVIRONMENT / "swift-proxy-server").exists():
            pytest.fail("there is no .venv/swift; `make test` makes it")
        self._folder, self.daemons = folder, Daemons(folder)
        self.port, *ports = free_ports(4)
        (folder / "disk").mkdir()
        (folder / "swift.conf").write_text(_CONSTANTS)
        filters = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in _FILTERS)
        proxy = _PROXY.format(access_key=access_key, secret_key=secret_key) + filters
        try:
            self.daemons.run(str(ENVIRONMENT / "python"), "-c", _RINGS, *map(str, ports))
            for name, port in zip(("object", "container", "account"), ports, strict=True):
                self._start(name, port, _SERVER.format(name=name))
            self._start("proxy", self.port, proxy)
            for port in (*ports, self.port):
                self.daemons.await_port(port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all servers, because each takes up to 10 s to end on SIGTERM."""
        self.daemons.stop(patience=0.0)

    def _start(self, name: str, port: int, rest: str) -> None:
        common = _COMMON.format(port=port, folder=self._folder, user=getpass.getuser())
        config = self._folder / f"{name}.conf"
        config.write_text(common + rest)
        server = ENVIRONMENT / f"swift-{name}-server"
        # The server gets only its own folder, and finds swift.conf in it.
        self.daemons.start(name, [str(server), str(config), "-v"])
