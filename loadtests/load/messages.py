"""The names of the messages between the process that judges a run and those that have its users.

Locust carries the messages. In a run in one process, locust hands the messages to this process.
"""

from __future__ import annotations

#: The message to the workers, before their users start: the site (`Site.message`).
SITE = "wharf_site"
#: The message to the workers that they must stop their users, compare the list of files, and
#: report.
FINISH = "wharf_finish"
#: The message of a worker about wrong or lost bytes: one line of text.
FAULT = "wharf_fault"
#: The last message of a worker in a run. Its `error` says why the worker could not compare the
#: list, or is `None`.
FINISHED = "wharf_finished"
