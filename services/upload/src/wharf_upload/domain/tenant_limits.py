"""The limits of a tenant."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a tenant.

    In stored limits, `None` means the default of the settings. In effective limits
    (`tenancy.limits.TenantLimits`), `None` means no limit. `requests_per_minute` applies to the
    whole tenant, `client_requests_per_minute` to each client of it.
    """

    max_bytes: int | None = None
    max_files: int | None = None
    max_file_bytes: int | None = None
    requests_per_minute: int | None = None
    client_requests_per_minute: int | None = None
    bytes_per_minute: int | None = None
    concurrent_uploads: int | None = None

    def over(self, defaults: Limits) -> Limits:
        """Return these limits, with the default in place of each `None`."""
        chosen = {
            name: getattr(defaults, name) if getattr(self, name) is None else getattr(self, name)
            for name in self.__struct_fields__
        }
        return Limits(**chosen)
