"""Wharf's console: the pages that people see; it calls the public API as the person logged in."""

__version__ = "0.2.0.dev0"
