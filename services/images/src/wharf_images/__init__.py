"""Makes small pictures of files, each in a sandbox of its own."""

__version__ = "0.2.0.dev0"
