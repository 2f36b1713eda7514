"""Answers that clients do not read: nginx takes them off the services at once (ADR 61)."""

from __future__ import annotations


def folder(data: str, instance: str) -> str:
    """Returns where a gateway holds what its memory does not.

    Its files have no names; on NFS the kernel gives them some, which stay when nginx is killed. It
    lies beside the spool: in a container the rest of what nginx may write is memory.
    """
    return f"{data}/answers/{instance}"
