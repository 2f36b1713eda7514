"""The upkeep of the store: sweeping, backups, integrity checks, replicas."""
