"""Settings of webhooks, and of the secrets that Wharf must be able to read again."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.outbound.allow_list import AllowList
from servicekit.outbound.proxies import Proxy
from servicekit.settings import SettingsError, setting


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """The settings for webhooks."""

    secrets_key_file: str = setting(
        "",
        doc="The file with the keys that seal secrets in the database, for example the signing "
        "secrets of webhooks. All replicas need the same file. It is required if "
        "`WHARF_DATA_SHARED` is `false`. Empty: `WHARF_DATA/upload/secrets.keys`, which the first "
        "start makes.",
    )
    webhook_allow: str = setting(
        "",
        doc="The internal receivers of webhooks that tenants may name, separated by spaces: "
        "networks (`10.20.0.0/16`), hosts (`hooks.corp`) or hosts with a port "
        "(`hooks.corp:8443`). Empty: only public addresses.",
    )
    webhook_proxy: str = setting(
        "",
        doc="The HTTP proxy through which webhooks are sent, for example "
        "`http://smokescreen:4750`. The proxy then decides which addresses are permitted. "
        "Empty: no proxy.",
    )
    webhook_ca: str = setting(
        "",
        doc="A file of certificates (PEM) of authorities that webhooks trust in addition to those "
        "of the system. Empty: none.",
    )

    webhook_delivery_seconds: int = setting(
        30 * 24 * 3600,
        doc="How long the log of deliveries keeps a delivery that has ended, in seconds.",
        minimum=3600,
    )
    webhook_max_deliveries: int = setting(
        10_000,
        doc="The number of deliveries that have ended in the log of one endpoint. Each hour, the "
        "worker removes the deliveries of the oldest events.",
        minimum=100,
    )

    def check_seals(self, *, data_shared: bool) -> None:
        """Raise `SettingsError` if each replica would make a sealing key of its own."""
        if not data_shared and not self.secrets_key_file:
            raise SettingsError(
                "WHARF_DATA_SHARED=false: WHARF_SECRETS_KEY_FILE is missing; it must name the same "
                "file of sealing keys, or a copy of it, for all replicas and workers "
                "(docs/operating-webhooks.md)"
            )

    def check_webhooks(self) -> None:
        """Raise `SettingsError` for a wrong allow-list or proxy."""
        try:
            AllowList.parse(self.webhook_allow)
        except ValueError as error:
            raise SettingsError(f"WHARF_WEBHOOK_ALLOW: {error}") from None
        try:
            if self.webhook_proxy:
                Proxy.parse(self.webhook_proxy)
        except ValueError as error:
            raise SettingsError(f"WHARF_WEBHOOK_PROXY: {error}") from None
