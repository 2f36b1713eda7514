"""What a tenant may use: limits, quotas."""
