"""Parts of the OpenAPI document besides the declared operations; imported when it is built."""
