"""The entry points of the service's processes. No other package imports this package."""
