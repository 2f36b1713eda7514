"""The folder of responses that clients have not read yet (ADR 61).

nginx reads responses from the services at full speed, so that no service waits for a slow client.
"""

from __future__ import annotations


def folder(data: str, instance: str) -> str:
    """Return the folder of a gateway's responses that do not fit into its buffers in memory.

    nginx's files in this folder have no names. On NFS the kernel gives the files names, and the
    files stay when nginx is killed. The folder is next to the spool, because in a container all
    other folders that nginx can write to are in memory.
    """
    return f"{data}/answers/{instance}"
