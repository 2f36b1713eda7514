"""Bounds on the connections of a server that has none of its own.

`Guard` looks at the TCP connections of a local port, ends those on which a request comes in too
slowly (ADR 21), and closes those that an address has above its share (ADR 64). It needs nothing of
the server but its processes, and nothing of HTTP. Linux alone.
"""
