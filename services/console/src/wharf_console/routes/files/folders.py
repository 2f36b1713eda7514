"""Folders: what keys have in common up to a slash."""

from __future__ import annotations


def folder_of(prefix: str) -> str:
    """Return the folder in which a key is, or names are filtered: all up to the last slash."""
    return prefix[: prefix.rfind("/") + 1]


def folders_above(prefix: str) -> list[tuple[str, str]]:
    """Return name and prefix of each folder on the way to a prefix's own."""
    names = folder_of(prefix).split("/")[:-1]
    return [(name, "/".join(names[: count + 1]) + "/") for count, name in enumerate(names)]


def as_folder(typed: str) -> str:
    """Return what a person typed as a folder: empty, or with a slash at its end."""
    path = typed.strip().strip("/")
    return f"{path}/" if path else ""
