"""The HTTP layer: requests and responses, the fast path, errors, schemas, CORS."""
