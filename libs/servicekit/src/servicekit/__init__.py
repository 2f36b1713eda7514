"""The code that Wharf's services share: settings, tokens, problems, metrics, logs, databases.

A module belongs into this package if at least two services use it today, and if it knows nothing
about files or accounts.
"""

__version__ = "0.2.0.dev0"
