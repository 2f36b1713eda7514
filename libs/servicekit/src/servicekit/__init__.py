"""What both Wharf services share: settings, tokens, problems, limits, metrics, logs, databases.

Admission test for a module: both services use it today, and it knows nothing of files or accounts.
"""

__version__ = "0.2.0.dev0"
