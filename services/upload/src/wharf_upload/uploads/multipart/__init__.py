"""A reader of multipart/form-data (RFC 7578) in a spool file."""
