"""The upkeep of the store: sweeping, backups, moves of blobs, integrity checks, replicas."""
