"""The part of the users and tasks that a person chose with tags and user classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust.env import Environment


def drop_idle_classes(environment: Environment) -> None:
    """Remove the user classes for which `--tags` and `--exclude-tags` leave no task.

    Locust keeps user classes without a task, and fails each time it starts a user of one.
    """
    known = environment.available_user_classes or {}
    idle = {
        name
        for name, user_class in known.items()
        if not any(_chosen(one, environment.parsed_options) for one in user_class.tasks)
    }
    for name in idle:
        del known[name]
    environment.user_classes[:] = [
        one for one in environment.user_classes if one.__name__ not in idle
    ]


def is_everything(environment: Environment) -> bool:
    """Tell whether all tasks of all user classes run."""
    options = environment.parsed_options
    chosen = {one.__name__ for one in environment.user_classes}
    return not _tags(options, "tags", "exclude_tags") and chosen >= set(
        environment.available_user_classes or ()
    )


def _chosen(one: object, options: object) -> bool:
    tags: set[str] = getattr(one, "locust_tag_set", set())
    wanted, unwanted = _tags(options, "tags"), _tags(options, "exclude_tags")
    return (not wanted or bool(tags & wanted)) and not tags & unwanted


def _tags(options: Any, *names: str) -> set[str]:
    return {tag for name in names for tag in getattr(options, name, None) or ()}
