"""Folders, which are the parts of keys up to a slash."""

from __future__ import annotations


def folder_of(prefix: str) -> str:
    """Return the folder of a key or prefix, which is the part up to and with the last slash."""
    return prefix[: prefix.rfind("/") + 1]


def folders_above(prefix: str) -> list[tuple[str, str]]:
    """Return name and prefix of each folder from the top to the folder of this prefix."""
    names = folder_of(prefix).split("/")[:-1]
    return [(name, "/".join(names[: count + 1]) + "/") for count, name in enumerate(names)]


def as_folder(typed: str) -> str:
    """Return the typed text as a folder: empty, or with a slash at its end."""
    path = typed.strip().strip("/")
    return f"{path}/" if path else ""
