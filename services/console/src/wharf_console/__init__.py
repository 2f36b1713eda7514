"""Wharf's console: web pages that call the public API as the person who is logged in."""

__version__ = "0.2.0.dev0"
