"""The entry points of the service's processes. Only `cli.py` and uWSGI import these modules."""
