"""Wharf's auth service: tenants, people, clients and their tokens."""

__version__ = "0.2.0.dev0"
