"""docs/backup.md, step by step, on a Wharf that takes uploads meanwhile."""
