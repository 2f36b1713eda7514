"""Receives bodies while they come in, for uploads that must survive a broken connection.

nginx streams such bodies to this process instead of spooling them (ADR 22). One loop moves the
bytes of all of them from nginx's sockets into files, inside the kernel; what has to think or to
wait for a disk or a database runs in a few threads. A slow client costs a socket here, no thread.
"""
