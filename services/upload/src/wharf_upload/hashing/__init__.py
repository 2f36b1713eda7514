"""Hashes large bodies while they come in: the digest daemon and its client."""
