"""A protection that stops requests from setting environment variables in uWSGI (ADR 41).

A packet on a uwsgi socket may have the variable UWSGI_SETENV. uWSGI then calls setenv(3) while it
reads the packet: no rule in a uwsgi.ini runs earlier, and no option disables it. Libraries read
the names of code to load from the environment (OpenSSL's engines, Kerberos' plugins). So a process
that can reach the socket could run code.

uWSGI has a table of functions for variables, by the length of the variable's name. This module
clears the entry for the length of UWSGI_SETENV. This also disables the other variables of this
length by which uWSGI loads code. QUERY_STRING, CONTENT_TYPE and HTTP_REFERER have this length, too,
and still reach the application.
"""

from __future__ import annotations

import ctypes
import importlib
import sys

_LENGTH = len("UWSGI_SETENV")
# The lengths for which the table has entries in uWSGI 2.0.
_KNOWN = frozenset((5, 9, 10, 11, 12, 13, 14, 15, 18, 20, 22, 27))


class _Server(ctypes.Structure):
    """The first members of uWSGI's global state (`struct uwsgi_server`)."""

    _fields_ = (
        ("hostname", ctypes.c_char * 256),
        ("hostname_length", ctypes.c_int),
        ("last_exit_code", ctypes.c_int),
        ("hooks", ctypes.c_void_p * 28),
    )


class UnknownUwsgi(Exception):
    """The table is not at the expected place in uWSGI, so the service must not start."""


def forbid() -> None:
    """Make UWSGI_SETENV an ordinary variable in this process and in its forked processes.

    Outside of uWSGI this function does nothing.

    Raises:
        UnknownUwsgi: the table has other entries than expected.
    """
    # The module `uwsgi` exists only in processes of uWSGI.
    if "uwsgi" not in sys.modules:
        return
    library = ctypes.CDLL(importlib.import_module("pyuwsgi").__file__)
    hooks = _Server.in_dll(library, "uwsgi").hooks
    if {_LENGTH} | {length for length, hook in enumerate(hooks) if hook} != _KNOWN:
        raise UnknownUwsgi("UWSGI_SETENV cannot be forbidden: see servicekit/uwsgi_setenv.py")
    hooks[_LENGTH] = None
