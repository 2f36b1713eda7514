"""The upload service of Wharf: admits, receives, stores and serves the files of tenants."""

__version__ = "0.2.0.dev0"
