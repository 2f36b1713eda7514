"""The public API as the console calls it: one typed function for each operation."""
