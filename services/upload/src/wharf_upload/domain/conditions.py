"""Conditional requests (RFC 9110 section 13) for resources with strong entity tags.

Entity tags keep the form of the ETag field, quotes included: '"5f1c"'. For files on a disk, nginx
handles ranges and If-Range.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

_ANY = "*"
# One member of a list: the etagc of RFC 9110 section 8.8.3 between empty members, which section
# 5.6.1.2 tells recipients to accept. The quantifiers are possessive, so that a long malformed list
# costs one pass.
_MEMBER = re.compile(r'[ \t,]*+((?:W/)?"[!#-~\x80-\xff]*+")[ \t]*+(?:,|\Z)')
_NOTHING = re.compile(r"[ \t,]*\Z")
# No HTTP-date is longer, and the standard library's parser is not made for long hostile input.
_MAX_DATE_CHARS = 64


class MalformedCondition(ValueError):
    """An If-Match or If-None-Match field is neither "*" nor a list of entity tags."""


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """The conditions of If-Match and If-None-Match on the file that a write would replace.

    `etags` has the tags of If-Match. A weak tag keeps its `W/`, so it equals no strong tag.
    `not_etags` has the tags of If-None-Match without `W/`, because their comparison is weak.
    """

    must_exist: bool = False
    must_not_exist: bool = False
    etags: tuple[str, ...] = ()
    not_etags: tuple[str, ...] = ()

    def allows(self, current_etag: str | None) -> bool:
        """Tell whether a write may replace the file with `current_etag`; `None` means no file."""
        if current_etag is None:
            return not self.must_exist
        if self.must_not_exist or current_etag in self.not_etags:
            return False
        return not self.etags or current_etag in self.etags


def for_write(if_match: str | None, if_none_match: str | None) -> WriteCondition | None:
    """Return the condition of the two header fields; `None` if the client sent neither.

    Raises:
        MalformedCondition: a field cannot be parsed.
    """
    if if_match is None and if_none_match is None:
        return None
    wanted = () if if_match is None else _tags("If-Match", if_match)
    unwanted = () if if_none_match is None else _tags("If-None-Match", if_none_match)
    return WriteCondition(
        must_exist=if_match is not None,
        must_not_exist=_ANY in unwanted,
        etags=() if _ANY in wanted else wanted,
        not_etags=tuple(_opaque(tag) for tag in unwanted if tag != _ANY),
    )


def for_read(
    etag: str,
    last_modified: int,
    *,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: str | None = None,
    if_unmodified_since: str | None = None,
) -> int:
    """Return 200, 304 or 412 for a GET or HEAD of an existing file, by section 13.2.2.

    `last_modified` is in unix seconds. A date that is not a valid HTTP-date is ignored, as the RFC
    requires.

    Raises:
        MalformedCondition: a list of entity tags cannot be parsed.
    """
    if if_none_match is None and if_modified_since is None:
        if if_match is None and if_unmodified_since is None:
            return 200
    elif if_none_match == etag and if_match is None and if_unmodified_since is None:
        return 304
    if not _still_as_expected(etag, last_modified, if_match, if_unmodified_since):
        return 412
    if if_none_match is not None:
        unwanted = _tags("If-None-Match", if_none_match)
        return 304 if _ANY in unwanted or etag in map(_opaque, unwanted) else 200
    since = None if if_modified_since is None else http_seconds(if_modified_since)
    return 304 if since is not None and last_modified <= since else 200


def for_range(etag: str, last_modified: int, if_range: str | None) -> bool:
    """Tell whether the server must evaluate a Range field, by section 13.1.5.

    The server must evaluate the field if the request has no If-Range, or if If-Range matches. A tag
    is compared strongly; a date must equal `last_modified` (unix seconds).
    """
    if if_range is None:
        return True
    value = if_range.strip(" \t")
    return value == etag or ('"' not in value and http_seconds(value) == last_modified)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Return unix seconds as an IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT"."""
    return formatdate(seconds, usegmt=True)


def http_seconds(text: str) -> int | None:
    """Return the unix seconds of an HTTP-date in any of its three forms, or `None`."""
    # The check comes before the cache, so that the cache stores no long texts.
    return None if len(text) > _MAX_DATE_CHARS else _http_seconds(text)


@lru_cache(maxsize=4096)
def _http_seconds(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # The asctime form and "-0000" both mean UTC.
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _still_as_expected(
    etag: str, last_modified: int, if_match: str | None, if_unmodified_since: str | None
) -> bool:
    """Tell whether If-Match or, if it is absent, If-Unmodified-Since permits the request.

    The function does steps 1 and 2 of section 13.2.2.
    """
    if if_match is not None:
        wanted = _tags("If-Match", if_match)
        return _ANY in wanted or etag in wanted
    until = None if if_unmodified_since is None else http_seconds(if_unmodified_since)
    return until is None or last_modified <= until


def _tags(field: str, value: str) -> tuple[str, ...]:
    """Return the members of the list as the client sent them, or ("*",)."""
    if value.strip(" \t") == _ANY:
        return (_ANY,)
    tags = []
    position = 0
    while member := _MEMBER.match(value, position):
        tags.append(member[1])
        position = member.end()
    if not tags or not _NOTHING.match(value, position):
        raise MalformedCondition(
            f'{field} is neither "*" nor a list of entity tags in double quotes;'
            " send the ETag as it was received."
        )
    return tuple(tags)


def _opaque(tag: str) -> str:
    """Return the tag without `W/`, for the weak comparison."""
    return tag.removeprefix("W/")
