"""Slices: forms of uploaders that cut a file and send each piece as a form of its own."""
