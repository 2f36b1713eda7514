"""The use cases of auth: tenants, clients, users, groups, sessions, and the checks of secrets."""
