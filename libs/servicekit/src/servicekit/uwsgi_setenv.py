"""Keeps requests from setting variables of the environment in uWSGI's processes (ADR 41).

A packet on a uwsgi socket may have a variable UWSGI_SETENV, and uWSGI calls setenv(3) while it
still reads the packet: no rule in a uwsgi.ini comes before that, and no option switches it off.
Libraries look into the environment for code to load (OpenSSL's engines, Kerberos' plugins), so
whoever reaches the socket could run some.

uWSGI finds what to do with a variable in a table, by the length of its name. The entry for names
as long as UWSGI_SETENV is emptied here. The others of that length are QUERY_STRING, CONTENT_TYPE
and HTTP_REFERER, which reach the application all the same, and names that load code.
"""

from __future__ import annotations

import ctypes
import importlib
import sys

_LENGTH = len("UWSGI_SETENV")
# The lengths for which the table has entries in uWSGI 2.0.
_KNOWN = frozenset((5, 9, 10, 11, 12, 13, 14, 15, 18, 20, 22, 27))


class _Server(ctypes.Structure):
    """The beginning of uWSGI's own state (`struct uwsgi_server`)."""

    _fields_ = (
        ("hostname", ctypes.c_char * 256),
        ("hostname_length", ctypes.c_int),
        ("last_exit_code", ctypes.c_int),
        ("hooks", ctypes.c_void_p * 28),
    )


class UnknownUwsgi(Exception):
    """uWSGI keeps its table elsewhere: it must not serve."""


def forbid() -> None:
    """Makes UWSGI_SETENV a variable like any other, in this process and in those forked from it.

    Outside of uWSGI there is nothing to do.

    Raises:
        UnknownUwsgi: the table is not where it is known to be.
    """
    # uWSGI provides this module, only inside its own processes.
    if "uwsgi" not in sys.modules:
        return
    library = ctypes.CDLL(importlib.import_module("pyuwsgi").__file__)
    hooks = _Server.in_dll(library, "uwsgi").hooks
    if {_LENGTH} | {length for length, hook in enumerate(hooks) if hook} != _KNOWN:
        raise UnknownUwsgi("UWSGI_SETENV cannot be forbidden: see servicekit/uwsgi_setenv.py")
    hooks[_LENGTH] = None
