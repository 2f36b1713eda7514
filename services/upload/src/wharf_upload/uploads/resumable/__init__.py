"""Resumable uploads, for tus and for the IETF protocol."""
