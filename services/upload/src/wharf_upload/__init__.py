"""The upload service of Wharf: admits, receives, keeps and serves files of tenants."""

__version__ = "0.2.0.dev0"
