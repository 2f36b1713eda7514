"""The rules and values of auth, without Flask, files and SQL."""
