"""Translates the problems of the API to the person's language, by their slugs."""

from __future__ import annotations

from collections.abc import Callable

from wharf_console.api.problems import ApiProblem
from wharf_console.web.language import current, gettext


def title(problem: ApiProblem) -> str:
    """Return the translated title of a problem; the API's title if the console does not know it."""
    words = _TITLES.get(problem.slug)
    return words() if words else problem.title


def sentence(problem: ApiProblem) -> str:
    """Return the reason of a refusal, for a message or a field of a form.

    In English the reason is the API's detail, which names the value. In other languages the reason
    is the translated title, followed by the English detail if the detail adds anything.
    """
    if current() == "en" or problem.slug not in _TITLES:
        return problem.detail or problem.title
    if problem.slug in _TOLD_BY_TITLE:
        return title(problem)
    return with_detail(title(problem), problem.detail)


def with_detail(words: str, detail: str) -> str:
    """Return translated words with the English detail; in English only the detail."""
    if not detail:
        return words
    return detail if current() == "en" else f"{words} ({detail})"


def outcome(slug: str) -> str:
    """Return the title of a problem by its slug, for the audit log."""
    words = _TITLES.get(slug) or _OF_LOGS.get(slug)
    return words() if words else slug


# Problems with details that add nothing to their titles.
_TOLD_BY_TITLE = frozenset(
    (
        "too-many-secrets",
        "user-exists",
        "user-protected",
        "bucket-not-empty",
        "key-taken",
        "ticket-used-up",
        "no-file",
        "outside-grants",
        "group-exists",
        "replay-under-way",
    )
)
# Titles for the audit log of problems that have separate pages.
_OF_LOGS: dict[str, Callable[[], str]] = {
    "not-found": lambda: gettext("Not found"),
    "insufficient-scope": lambda: gettext("Not allowed"),
    "tenant-suspended": lambda: gettext("The tenant is suspended"),
}
# The values are functions, because the language depends on the request. Problems with separate
# pages are missing here.
_TITLES: dict[str, Callable[[], str]] = {
    "malformed-request": lambda: gettext("The request cannot be understood"),
    "forbidden": lambda: gettext("Not allowed"),
    "conflict": lambda: gettext("This contradicts what is there already"),
    "too-large": lambda: gettext("Too large"),
    "unsupported-media-type": lambda: gettext("This kind of content is not taken"),
    "unprocessable": lambda: gettext("A value is not acceptable"),
    "quota-exceeded": lambda: gettext("Too many requests"),
    "internal-error": lambda: gettext("Internal error"),
    "unavailable": lambda: gettext("Temporarily unavailable"),
    "timeout": lambda: gettext("The service did not answer in time"),
    "tenant-deleted": lambda: gettext("The tenant is deleted"),
    "too-many-secrets": lambda: gettext("The client has two secrets already"),
    "client-protected": lambda: gettext("The client is in use here"),
    "user-exists": lambda: gettext("There is a user of this name"),
    "user-protected": lambda: gettext("You cannot do this to yourself"),
    "invalid-key": lambda: gettext("The name is not allowed"),
    "bucket-not-empty": lambda: gettext("The bucket holds files"),
    "key-taken": lambda: gettext("There is a file of this name"),
    "type-not-allowed": lambda: gettext("The bucket does not take files of this type"),
    "extension-not-allowed": lambda: gettext("The bucket does not take names of this kind"),
    "ticket-refused": lambda: gettext("The ticket does not allow this"),
    "ticket-used-up": lambda: gettext("The ticket is used up"),
    "outside-grants": lambda: gettext("This is outside of what you reach"),
    "group-exists": lambda: gettext("There is a group of this name"),
    "too-many-groups": lambda: gettext("There are too many groups"),
    "too-many-revocations": lambda: gettext("Too much of the tenant was ended lately"),
    "no-file": lambda: gettext("No file was chosen"),
    "tenant-quota-exceeded": lambda: gettext("The quota of your tenant is used up"),
    "tenant-limit-reached": lambda: gettext("The tenant has as many of these as it may"),
    "endpoint-not-allowed": lambda: gettext("The address of the endpoint is not allowed"),
    "replay-under-way": lambda: gettext("A replay of this endpoint is under way"),
    "storage-full": lambda: gettext("The disk of the service is full"),
}
