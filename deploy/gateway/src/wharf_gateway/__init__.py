"""The gateway: renders nginx's configuration, and is the first process of its container.

The native runner uses what renders, and stays in memory as long as Wharf runs. So every module that
it imports keeps to the standard library, and to the small part of it: no `typing`, `dataclasses`,
`pathlib`, `subprocess` or `json`, which would double what it needs.
"""
