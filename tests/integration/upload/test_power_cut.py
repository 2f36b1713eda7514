"""A power cut under load: ext4 and its journal stop writing in one moment,
and are mounted again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.filesystems import Disk, disk
from tests.servers.load import Load
from tests.servers.upload import assemble, copy_database, settings_for
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live

_MEGABYTES = 600


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Disk]:
    """Yield a disk whose power can be cut."""
    with disk(tmp_path, _MEGABYTES) as found:
        yield found


def load_until_cut(own_disk: Disk, credentials: Path, number: int) -> Load:
    """Run uploads in a process, cut the power after `number` acknowledged uploads, and return the
    acknowledged and the uncertain files.
    """
    data = own_disk.folder / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.load_script", str(data), str(credentials)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    load = Load(lambda key, body: False)
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            note(load, line.decode())
            if len(load.acknowledged) == number:
                own_disk.cut_power()
                process.kill()
                number = -1
    return load


def note(load: Load, line: str) -> None:
    """Record a line of the process."""
    what, key, digest = line.split()
    pending = load.uncertain.setdefault(key, set())
    if what == "sent":
        pending.add(digest)
    else:
        pending.discard(digest)
        load.acknowledged[key] = digest


@pytest.mark.parametrize("number", [10, 30, 60])
def test_power_cut(
    number: int,
    own_disk: Disk,
    upload_template: Path,
    credentials: Path,
    issuer: Issuer,
) -> None:
    """After a power cut during uploads, each acknowledged file exists and is intact, and the
    service works.
    """
    data = own_disk.folder / "data"
    copy_database(upload_template, data)
    own_disk.unmount()  # writes the earlier files to the disk
    own_disk.mount()
    load = load_until_cut(own_disk, credentials, number)
    assert len(load.acknowledged) >= number
    own_disk.unmount()
    own_disk.mount()

    service = assemble(settings_for(data), issuer)
    assert load.faults(live(service)) == []
    assert_sound(service)
    assert_nothing_else(service)
    assert service.put("after.txt", b"after").status_code == 201
    assert service.content("after.txt") == b"after"
    service.database.close()
