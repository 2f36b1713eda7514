"""The values and rules of the service; this package uses no Flask, no database and no network."""
