"""The rows of tenants' limits and usage, and the removal of a tenant."""

from __future__ import annotations

import msgspec

from wharf_upload.database import purge
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.tenant_limits import Limits

_LIMITS = Limits.__struct_fields__


class SqlTenants(Aggregate):
    """Implements `contract.TenantRecords`."""

    def limits(self, tenant: str) -> Limits:
        """Return the limits that were set for the tenant."""
        row = self._database.reading().row(
            f"SELECT {', '.join(_LIMITS)} FROM limits WHERE tenant = ?",  # noqa: S608 -- constants
            (tenant,),
        )
        return Limits(**dict(zip(_LIMITS, row, strict=True))) if row else Limits()

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Replace all limits of a tenant."""
        changed = ", ".join(f"{name} = excluded.{name}" for name in _LIMITS)
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO limits (tenant, {', '.join(_LIMITS)}) "  # noqa: S608 -- constants
                f"VALUES (?{', ?' * len(_LIMITS)}) ON CONFLICT (tenant) DO UPDATE SET {changed}",
                (tenant, *msgspec.structs.astuple(limits)),
            )

    def usage(self, tenant: str) -> Usage:
        """Return the bytes and files that the tenant stores or reserves for resumable uploads."""
        row = self._database.reading().row(
            "SELECT bytes, files FROM usage WHERE tenant = ?", (tenant,)
        )
        return Usage(bytes=row[0], files=row[1]) if row else Usage(bytes=0, files=0)

    def purge_tenant(self, tenant: str, limit: int) -> int:
        """Remove at most `limit` rows of a tenant; see the contract."""
        count: int = self._group.run(tenant, purge.purge_step(tenant, limit))
        return count
