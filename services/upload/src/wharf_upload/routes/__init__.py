"""One file per resource: from HTTP to the domain and back."""
