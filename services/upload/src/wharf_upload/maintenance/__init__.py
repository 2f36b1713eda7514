"""Keeps the store in order: sweeping, backups, integrity, replicas."""
