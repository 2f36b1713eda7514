"""What a tenant has stored: its buckets, its files, and what changes in them besides bytes."""
