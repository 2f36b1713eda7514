"""The detection of media types from the bytes of files."""
