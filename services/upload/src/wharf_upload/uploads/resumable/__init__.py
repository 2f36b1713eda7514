"""Resumable uploads, the same for tus and for the IETF protocol."""
