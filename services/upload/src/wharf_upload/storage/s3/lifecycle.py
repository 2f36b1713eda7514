"""A rule of the bucket by which the store itself removes unfinished uploads.

The sweeper aborts them, too; the rule works when no sweeper runs any more. The worker asks for it
at its start, for a bucket that has no rules. The store replaces all rules at once, and what boto3
does not know in one of others would be lost: without its filter a rule that deletes some objects
deletes all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.s3 import metrics
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.tries import ErrorCode

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import LifecycleRuleOutputTypeDef, LifecycleRuleUnionTypeDef

log = logging.getLogger(__name__)

_DAYS = 2
_NO_RULES = ("NoSuchLifecycleConfiguration", "404")


def add_rule(client: Client, prefix: str) -> None:
    """Add the rule where there is none and the store takes it; never raises `StoreError`."""
    name = f"wharf-unfinished-uploads {prefix}".strip()
    try:
        rules = _rules(client)
        if rules is None:
            log.info("the object store knows no rules for unfinished uploads; the sweeper does it")
            return
        if rules:
            if all(rule.get("ID") != name for rule in rules):
                log.info("the bucket has rules, which stay as they are; the sweeper does it")
            return
        own: LifecycleRuleUnionTypeDef = {
            "ID": name,
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _DAYS},
        }
        client.ask(
            metrics.LIFECYCLE,
            lambda s3: s3.put_bucket_lifecycle_configuration(
                Bucket=client.bucket, LifecycleConfiguration={"Rules": [own]}
            ),
        )
    except StoreError as error:
        log.info("the bucket gets no rule for unfinished uploads; the sweeper does it: %s", error)


def _rules(client: Client) -> list[LifecycleRuleOutputTypeDef] | None:
    """Return the rules that are there; `None` where the answer is no answer to the question."""
    try:
        answer = client.ask(
            metrics.LIFECYCLE,
            lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=client.bucket),
            passing=_NO_RULES,
        )
    except ErrorCode:
        return []
    return answer.get("Rules")
