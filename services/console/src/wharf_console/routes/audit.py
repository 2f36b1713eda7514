"""The page of the tenant's audit log, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, render_template, request

from wharf_console.api import audit, clients, groups, users
from wharf_console.api.audit import Act
from wharf_console.context import AppContext
from wharf_console.forms.audit import KINDS, AuditFilter, acts_told, outcome_told
from wharf_console.web.access import needs
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext

SCOPE = "members:admin"
ROWS = 100
# The API has no filter. For one page, the console makes at most four calls with 500 acts each.
_READ, _CALLS = 500, 4
# To find names, the console reads at most this many people, clients and groups of each kind. The
# page shows the ids of all others.
_NAMED = 1000


@dataclass(frozen=True)
class Wanted:
    """A filter of acts: by kind, by outcome, and by the person or client that acted."""

    kind: str
    outcome: str
    actor: str

    @property
    def is_all(self) -> bool:
        """Tell whether the filter selects all acts."""
        return not (self.kind or self.outcome or self.actor)

    def __contains__(self, act: Act) -> bool:
        if self.kind and not act.act.startswith(KINDS[self.kind]):
            return False
        if self.outcome and (act.outcome == "done") != (self.outcome == "done"):
            return False
        return self.actor in {"", act.actor}

    def query(self) -> dict[str, str]:
        """Return the filter as parameters of a URL."""
        given = {"kind": self.kind, "outcome": self.outcome, "actor": self.actor}
        return {name: value for name, value in given.items() if value}


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the page."""
    routes = Blueprint("audit", __name__, url_prefix="/console/audit")

    @routes.get("")
    @needs(SCOPE)
    def overview() -> str:
        form = AuditFilter(formdata=request.args)
        known = form.validate()
        wanted = Wanted(
            form.kind.data if known else "",
            form.outcome.data if known else "",
            request.args.get("actor", "")[:64],
        )
        before = _number(request.args.get("before", ""))
        acts, older = _page(wanted, before)
        return render_template(
            "audit/list.html",
            form=form,
            acts=acts,
            older=older,
            wanted=wanted,
            is_first=before is None,
            names=_names(acts, wanted.actor),
            told=acts_told(),
            outcome_told=outcome_told,
        )

    return routes


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _page(wanted: Wanted, before: int | None) -> tuple[list[Act], int | None]:
    """Return the acts of a page, and the number before which the next page begins, or `None`.

    With a filter, a page may be short or empty although older acts match.
    """
    if wanted.is_all:
        page = audit.newest(api(), before=before, limit=ROWS)
        return list(page.acts), page.next_before
    found: list[Act] = []
    for _ in range(_CALLS):
        page = audit.newest(api(), before=before, limit=_READ)
        for act in page.acts:
            if act in wanted:
                found.append(act)
            if len(found) == ROWS:
                is_last = act is page.acts[-1] and page.next_before is None
                return found, None if is_last else act.seq
        before = page.next_before
        if before is None:
            break
    return found, before


def _names(acts: Iterable[Act], actor: str) -> dict[str, str]:
    """Return names for the ids of a page: of people, clients, groups and the tenant.

    The command line and the service have names too. An id without a name is absent.
    """
    found = {"cli": gettext("command line"), "service": gettext("the service itself")}
    named = {one for act in acts for one in (act.actor, *act.about.split("/"))}
    if not {actor, *named} - {"", *found}:
        return found
    tenant = person().tenant
    found[tenant] = person().tenant_display_name or tenant
    for user in users.every(api(), tenant, at_most=_NAMED):
        found[user.user_id] = user.username
    for client in clients.every(api(), tenant, at_most=_NAMED):
        found[client.client_id] = client.name
    if any(act.act.startswith("groups.") for act in acts):
        for group in groups.every(api(), tenant, at_most=_NAMED):
            found[group.group_id] = group.name
    for pair in {act.about for act in acts if "/" in act.about}:
        # The id of a group and the id of a member that was added or removed.
        found[pair] = " / ".join(found.get(one, one) for one in pair.split("/"))
    return found
