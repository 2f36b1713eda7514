"""The console's client of the public API: typed functions for the operations that it uses."""
