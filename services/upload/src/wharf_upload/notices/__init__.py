"""Hints that processes give to the live channel: they save it waiting, and may be lost."""
