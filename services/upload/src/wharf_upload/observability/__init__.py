"""The export of metrics. Each package fills its own metric buffers."""
