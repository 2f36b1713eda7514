"""The hashing of large bodies while they arrive: the digest daemon and its client."""
