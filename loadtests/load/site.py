"""The tenants of one load test and the accounts that its users share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from loadtests.load.api import Account, Api

BUCKET = "load"


@dataclass
class Site:
    """The accounts of one run at the Wharf with the URL `host`.

    `large_bytes` is the size in bytes of the largest file that users upload.
    """

    host: str
    large_bytes: int = 64 << 20
    quiet: list[Account] = field(default_factory=list)
    noisy: Account | None = None
    _turn: int = 0

    def __post_init__(self) -> None:
        self.api = Api(self.host)

    @property
    def accounts(self) -> list[Account]:
        """Return all accounts, the quiet ones first."""
        return [*self.quiet, *([self.noisy] if self.noisy else ())]

    def next_quiet(self) -> Account:
        """Return the next quiet account in turn."""
        self._turn += 1
        return self.quiet[self._turn % len(self.quiet)]

    def token(self, account: Account) -> str:
        """Return a token that is valid for a while. A login here is not measured."""
        return account.valid_token(self.api)

    def files(self, account: Account) -> Iterator[dict[str, Any]]:
        """Yield the listed files of a tenant; raise `SiteFailed` when Wharf does not list them."""
        cursor = ""
        while True:
            query = urlencode({"limit": "1000", **({"cursor": cursor} if cursor else {})})
            page = self.api.json("GET", f"/v1/files/{BUCKET}?{query}", self.token(account))
            yield from page["files"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def lost_files(self) -> Iterator[str]:
        """Yield a line for each file of a quiet tenant that Wharf acknowledged and has lost.

        Wharf has lost a file if it does not list the file with the acknowledged digest.
        """
        for account in self.quiet:
            if not account.stored:
                continue
            listed = {file["key"]: file["sha256"] for file in self.files(account)}
            for key, digest in account.stored.items():
                if listed.get(key) != digest:
                    yield (
                        f"{account.tenant}: {key} was acknowledged with {digest} and is "
                        f"{listed.get(key, 'not listed')}"
                    )

    def message(self) -> dict[str, Any]:
        """Return the site as plain values, with its secrets, for a message to a worker."""
        return {
            "host": self.host,
            "large_bytes": self.large_bytes,
            "quiet": [account.message() for account in self.quiet],
            "noisy": self.noisy.message() if self.noisy else None,
        }

    @staticmethod
    def from_message(message: Mapping[str, Any]) -> Site:
        """Return the site that `message()` describes, without any stored file."""
        noisy = message["noisy"]
        return Site(
            message["host"],
            message["large_bytes"],
            [Account.from_message(one) for one in message["quiet"]],
            Account.from_message(noisy) if noisy else None,
        )
