"""The reception of bodies while they arrive, for uploads that must survive a broken connection.

nginx streams such bodies to the mule instead of spooling them (ADR 22). One event loop there moves
the bytes of all bodies from nginx's sockets into files, inside the kernel. A few threads do the
work that needs much CPU time, or waits for a disk or a database. A slow client occupies a socket,
but no thread.
"""
