"""The gateway: renders nginx's configuration, and is the first process of its container.

The native runner imports the modules that render, and stays in memory as long as Wharf runs. So
those modules import only small modules of the standard library: no `typing`, `dataclasses`,
`pathlib`, `subprocess` or `json`, which would double the memory of the runner.
"""
