"""The records of auth: their contract and its SQL implementation."""
