"""Everything between the admission of an upload and the stored file."""
