"""Limits and quotas of tenants."""
