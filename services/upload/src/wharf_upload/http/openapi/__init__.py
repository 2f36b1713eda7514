"""What the OpenAPI document says beyond the declared operations; read when it is built."""
