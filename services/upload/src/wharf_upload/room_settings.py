"""Settings of the room that uploads leave, and that bodies under way may have reserved."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    """The part of the settings that is about room on the disk."""

    disk_reserve_bytes: int = setting(
        64 << 20,
        doc="Free space, in bytes, that an upload must leave on the disk.",
        minimum=0,
    )
    disk_reserve_inodes: int = setting(
        1000,
        doc="Files that must still be possible on the disk after an upload; without effect "
        "where the filesystem does not count them.",
        minimum=0,
    )
    tenant_room_percent: int = setting(
        90,
        doc="Part of the free room that others have left, in percent, that bodies of one tenant "
        "may have reserved while they come in.",
        minimum=1,
        maximum=100,
    )
