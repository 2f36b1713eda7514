"""Limits for the connections of a server that does not have these limits itself.

`Guard` checks the TCP connections of a local port. It ends connections on which a request arrives
too slowly (ADR 21), and it closes the connections of an address above its share (ADR 64). It needs
only the ids of the server's processes, and it does not parse HTTP. It works on Linux only.
"""
