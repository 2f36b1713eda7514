"""The steps of an upload, from its admission to the stored file."""
