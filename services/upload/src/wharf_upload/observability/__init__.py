"""Exports metrics. Each room fills its own buffers."""
