"""Jobs: a dispatcher hands rows to an engine, which runs their handlers (docs/jobs.md)."""
