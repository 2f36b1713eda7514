"""The WSGI entry point."""

from wharf_upload.running import application

__all__ = ["application"]
