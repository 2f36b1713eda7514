"""Limits for the connections of a server that does not have these limits itself.

`Guard` checks the TCP connections of a local port. `Guard` ends connections on which a request
arrives too slowly (ADR 21), and closes the connections of an address above its share (ADR 64). The
guard needs only the ids of the server's processes, and does not parse HTTP. This package works on
Linux only.
"""
