"""The console's client of the public API: one typed function for each operation."""
