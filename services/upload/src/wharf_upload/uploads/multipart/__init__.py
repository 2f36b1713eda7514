"""Reads multipart/form-data (RFC 7578) from a spool file."""
