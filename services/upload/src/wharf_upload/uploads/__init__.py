"""The way in: from admission to a stored file."""
