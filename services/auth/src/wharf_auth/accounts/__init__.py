"""Use cases: tenants, clients, users and sessions, made, changed and let in."""
