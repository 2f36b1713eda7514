"""HTTP routes, one module per resource: they convert between HTTP and the domain."""
