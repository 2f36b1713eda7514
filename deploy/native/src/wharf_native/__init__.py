"""`make run`: nginx and all services on one machine, without containers.

supervisord starts and watches the processes (supervisord.conf, ADR 36). This package is in the
process of supervisord as long as Wharf runs, so it imports few other modules.
"""
