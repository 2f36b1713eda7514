"""Notices: hints that the other processes send to the live channel, and that may be lost."""
