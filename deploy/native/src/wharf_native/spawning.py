"""Starting a process that cannot outlive the supervisor.

`kill -9` of the supervisor runs no code of ours. The kernel then sends each child its death
signal (PR_SET_PDEATHSIG), which survives exec but is not passed on to the child's own children;
so it is the signal on which that program takes its workers down: TERM for nginx's master, QUIT for
uWSGI's (TERM may mean "drain" or "reload" there, depending on its settings).
"""

from __future__ import annotations

import os
import signal
import sys

from wharf_native.preloading import is_current, is_own_script, run_script
from wharf_native.program import Program

_PR_SET_PDEATHSIG = 1
# Python ignores these, and what is ignored stays ignored across exec.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def spawn(program: Program, log_file: str) -> int:
    """Starts a program in a session of its own, its output appended to a file; returns its id.

    The own session keeps a Ctrl-C of the terminal away from it, so that the supervisor alone
    decides the order of the stop.
    """
    environment, sockets = program.start_with()
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    supervisor = os.getpid()
    pid = os.fork()
    if pid:
        os.close(log)
        return pid
    command, code = program.command, 127
    try:
        _become(log, supervisor, program.fast)
        # What was imported may have been replaced on the disk since: old and new do not mix.
        if program.preloaded and is_own_script(command[0]) and is_current():
            code = run_script(program.name, command, environment, keep=sockets)
            sys.stdout.flush()
        else:
            for descriptor in sockets:
                os.set_inheritable(descriptor, True)
            os.execve(command[0], list(command), environment)
    except BaseException as error:  # noqa: BLE001  this copy of the supervisor must end here
        os.write(2, f"wharf: cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(code)


def _become(log: int, supervisor: int, death_signal: signal.Signals) -> None:
    """Turns the forked copy into a clean child just before exec."""
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setsid()
    for ignored in _IGNORED_BY_PYTHON:
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _die_with(supervisor, death_signal)


def _die_with(supervisor: int, death_signal: signal.Signals) -> None:
    # Imported in the child only: the supervisor stays without ctypes.
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # It may have died between fork and prctl: nobody would send the signal then.
    if os.getppid() != supervisor:
        os._exit(127)
