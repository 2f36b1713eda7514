"""A floor on the rate of request bodies, for a server that has none.

`Guard` looks at the TCP connections of a local port and ends those on which a request comes in too
slowly. It needs nothing of the server but its processes, and nothing of HTTP (ADR 21). Linux alone.
"""
