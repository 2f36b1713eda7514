"""Slices: some uploaders cut a file into pieces, and send each piece in a separate form."""
