"""The current environment of another process. /proc/PID/environ has only the initial one."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_WORD = struct.Struct("@P")
_BLOCK = 4096


class _DlInfo(ctypes.Structure):
    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def environment_of(pid: int) -> dict[str, str]:
    """Return the variables that getenv(3) finds in a process with the same Python as this one."""
    file, offset = _place_of_environ()
    base = min(start for start, mapped in _mappings(str(pid)) if mapped == file)
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        texts = list(_strings(memory, _word(memory, base + offset)))
    finally:
        os.close(memory)
    return dict(text.split("=", 1) for text in texts if "=" in text)


def _place_of_environ() -> tuple[str, int]:
    """Return the file with libc's `environ` (an executable may have a copy), and the offset
    of `environ` in this file.
    """
    libc = ctypes.CDLL(None)
    address = ctypes.addressof(ctypes.c_void_p.in_dll(libc, "environ"))
    found = _DlInfo()
    assert libc.dladdr(ctypes.c_void_p(address), ctypes.byref(found))
    file = next(file for start, file in _mappings("self") if start == found.base)
    return file, address - found.base


def _mappings(pid: str) -> Iterator[tuple[int, str]]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        yield int(fields[0].partition("-")[0], 16), fields[5] if len(fields) > 5 else ""


def _word(memory: int, address: int) -> int:
    (word,) = _WORD.unpack(os.pread(memory, _WORD.size, address))
    return int(word)


def _strings(memory: int, address: int) -> Iterator[str]:
    while pointer := _word(memory, address):
        text = b""
        while b"\0" not in text:
            place = pointer + len(text)
            # Read only to the end of a page, because the next page may not be mapped.
            text += os.pread(memory, _BLOCK - place % _BLOCK, place)
        yield text.partition(b"\0")[0].decode(errors="replace")
        address += _WORD.size
