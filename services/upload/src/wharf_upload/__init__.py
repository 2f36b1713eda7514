"""The upload service of Wharf: admits, receives, keeps and serves files of tenants."""

__version__ = "0.1.0"
