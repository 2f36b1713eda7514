"""HTTP values: request and response, the fast path, errors, schemas, CORS."""
