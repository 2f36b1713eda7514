"""Wharf's auth service: tenants, clients and the tokens they work with."""

__version__ = "0.1.0"
