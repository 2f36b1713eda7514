"""Wharf's auth service: tenants, clients and the tokens they work with."""

__version__ = "0.2.0.dev0"
