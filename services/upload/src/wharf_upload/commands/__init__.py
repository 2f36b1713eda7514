"""Commands of `wharf-upload` that have a module of their own."""
