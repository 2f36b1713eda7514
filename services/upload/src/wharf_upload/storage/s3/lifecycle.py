"""A lifecycle rule of the bucket: the object store itself removes unfinished uploads.

The sweeper removes unfinished uploads, too; the rule is for the case that no sweeper runs any more.
The worker adds the rule at startup, but only to a bucket without rules. The request replaces all
rules of the bucket, and boto3 may drop parts of other rules that it does not know. A deletion rule
that loses its filter would delete all objects.
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
    """Add the rule if the bucket has no rules and the store allows it; raises no `StoreError`."""
    name = f"wharf-unfinished-uploads {prefix}".strip()
    try:
        rules = _rules(client)
        if rules is None:
            log.info(
                "the object store has no lifecycle rules; "
                "only the sweeper removes unfinished uploads"
            )
            return
        if rules:
            if all(rule.get("ID") != name for rule in rules):
                log.info(
                    "the bucket has other lifecycle rules, which do not change; "
                    "only the sweeper removes unfinished uploads"
                )
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
        log.info(
            "cannot add a lifecycle rule; only the sweeper removes unfinished uploads: %s", error
        )


def _rules(client: Client) -> list[LifecycleRuleOutputTypeDef] | None:
    """Return the present rules, or `None` if the response contains no list of rules."""
    try:
        answer = client.ask(
            metrics.LIFECYCLE,
            lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=client.bucket),
            passing=_NO_RULES,
        )
    except ErrorCode:
        return []
    return answer.get("Rules")
