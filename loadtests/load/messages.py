"""The names of the messages between the process that judges a run and those that have its users.

Locust carries the messages. In a run in one process, locust hands the messages to this process.
"""

from __future__ import annotations

#: The message to the workers, before their users start: the site (`Site.message`).
SITE = "wharf_site"
#: To the workers: stop your users, compare the list of files, and report.
FINISH = "wharf_finish"
#: From a worker: a line about wrong or lost bytes.
FAULT = "wharf_fault"
#: From a worker, its last message of a run: `error` says why it could not compare, or is `None`.
FINISHED = "wharf_finished"
