"""Webhooks: requests that tell a tenant's own services what happened (docs/webhooks.md)."""
