"""`make run`: nginx and both services on one machine, without containers.

supervisord does the work (supervisord.conf, ADR 36). It stays in memory as long as Wharf runs, so
this package imports little beside it.
"""
