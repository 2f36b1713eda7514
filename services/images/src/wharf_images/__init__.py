"""The picture service: makes small pictures of files, each in a separate sandbox."""

__version__ = "0.2.0.dev0"
