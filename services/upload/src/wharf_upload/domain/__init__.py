"""What the service decides: no Flask, no database, no network."""
