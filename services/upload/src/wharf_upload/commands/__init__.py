"""Commands of `wharf-upload` with separate modules."""
