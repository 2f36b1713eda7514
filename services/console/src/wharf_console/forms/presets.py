"""Presets of groups, for the most common uses (docs/grants.md).

Presets have no scopes, because scopes apply to a member's whole reach, not only to the group's
grants.
"""

from __future__ import annotations

from typing import NamedTuple

from servicekit.grants import USER_ID, Action, Grant
from wharf_console.web.language import gettext

_ALL: tuple[Action, ...] = ("read", "write", "delete", "list")


class Preset(NamedTuple):
    """A group with a title and description."""

    title: str
    text: str
    name: str
    grant: Grant


def presets() -> dict[str, Preset]:
    """Return the presets by their names in addresses."""
    return {
        "folders": Preset(
            gettext("A private folder for every person"),
            gettext("Each member has a folder of its own; others do not see that it is there."),
            gettext("Private folders"),
            Grant("default", _ALL, f"home/{USER_ID}/"),
        ),
        "avatar": Preset(
            gettext("A public avatar"),
            gettext(
                "Each member replaces one picture, under a name that stays. Make the bucket public."
            ),
            gettext("Avatars"),
            Grant("avatars", ("read", "write"), USER_ID),
        ),
        "inbox": Preset(
            gettext("A write-only inbox"),
            gettext("Members put files into a folder, and see nothing of what is there."),
            gettext("Inbox"),
            Grant("default", ("write",), "inbox/"),
        ),
        "auditor": Preset(
            gettext("A read-only auditor"),
            gettext("Members see and read all of one bucket, and change nothing."),
            gettext("Auditors"),
            Grant("default", ("read", "list")),
        ),
    }
