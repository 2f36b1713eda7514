#!/bin/sh
# Checks that a Python is new enough to run prepare.py, and runs it.
#
# This is a shell script because an old Python could not even parse prepare.py,
# and would print a syntax error instead of a clear message.
set -eu
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null 2>&1; then
    echo "wharf: '$python' was not found; install Python 3.11 or newer (Debian: apt-get install python3), or name one with PYTHON=..." >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    found=$("$python" --version 2>&1 | head -n 1)
    echo "wharf: '$python' is ${found:-not a working Python}; Python 3.11 or newer is needed, name one with PYTHON=..." >&2
    exit 1
fi
exec "$python" -I "$(dirname "$0")/prepare.py" "$@"
