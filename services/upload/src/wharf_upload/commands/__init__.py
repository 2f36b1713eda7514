"""Groups of commands of `wharf-upload`; the other commands are in `cli.py`."""
