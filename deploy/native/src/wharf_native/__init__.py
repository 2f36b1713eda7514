"""Runs Wharf on one machine without containers: nginx, both services and the worker.

The supervisor stays in memory as long as Wharf runs, so this package keeps to small modules of
the standard library: no `typing`, `dataclasses`, `pathlib`, `subprocess` or `json`, which would
double what it needs. What `preloading.py` imports is another matter: the children share it.
"""
