"""`make run`: nginx and all services on one machine, without containers.

supervisord starts and watches the processes (supervisord.conf, ADR 36). It stays in memory as long
as Wharf runs, so this package imports few other modules.
"""
