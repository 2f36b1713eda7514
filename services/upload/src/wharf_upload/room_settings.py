"""Settings of the free space that uploads must leave, and of reservations."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    """The settings for free space on the disk."""

    disk_reserve_bytes: int = setting(
        64 << 20,
        doc="The free space, in bytes, that an upload must leave on the disk.",
        minimum=0,
    )
    disk_reserve_inodes: int = setting(
        1000,
        doc=(
            "The number of files that can still be created on the disk after an upload. This "
            "setting has no effect if the file system does not count inodes."
        ),
        minimum=0,
    )
    tenant_room_percent: int = setting(
        90,
        doc=(
            "The share of the free space, in percent, that the bodies of one tenant may "
            "reserve. Space that other tenants have reserved does not count as free."
        ),
        minimum=1,
        maximum=100,
    )
