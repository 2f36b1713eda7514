"""The filter of the audit log, and the translated names of its acts."""

from __future__ import annotations

from wtforms import Form, SelectField

from wharf_console.web import refusals
from wharf_console.web.language import gettext, lazy_gettext

#: The kinds of acts, with the prefixes of the names of their acts.
KINDS = {
    "people": ("users.",),
    "clients": ("clients.", "client_secrets."),
    "groups": ("groups.", "group_members."),
    "access": ("sessions.", "tokens.", "tickets."),
    "tenant": ("tenants.",),
}


def _kinds() -> dict[str, str]:
    return {
        "": gettext("all"),
        "people": gettext("members"),
        "clients": gettext("clients"),
        "groups": gettext("groups"),
        "access": gettext("sessions, tokens and tickets"),
        "tenant": gettext("the tenant"),
    }


def _outcomes() -> dict[str, str]:
    return {"": gettext("all"), "done": gettext("done"), "refused": gettext("refused")}


class AuditFilter(Form):
    """A filter form; it changes nothing, so it needs no CSRF token."""

    kind = SelectField(lazy_gettext("About"), choices=_kinds, default="")
    outcome = SelectField(lazy_gettext("Outcome"), choices=_outcomes, default="")


def acts_told() -> dict[str, str]:
    """Return descriptions of acts by auth's names. A refused act has the name of its route."""
    changed = gettext("changed a member")
    told = {
        "users.create": gettext("added a member"),
        "users.rename": gettext("gave a member another name"),
        "users.set-role": gettext("gave a member another role"),
        "users.set-grants": gettext("changed what a member reaches"),
        "users.set-rights": gettext("changed the role of a member and what it reaches"),
        "users.disable": gettext("turned a member's logins off"),
        "users.enable": gettext("turned a member's logins on"),
        "users.set-password": gettext("set a member's password"),
        "users.end-sessions": gettext("ended a member's sessions"),
        "users.delete": gettext("deleted a member"),
        "clients.create": gettext("made a client"),
        "clients.change": gettext("changed what a client may do"),
        "clients.disable": gettext("disabled a client"),
        "clients.add-secret": gettext("gave a client a second secret"),
        "clients.retire-secret": gettext("retired a client's secret"),
        "groups.create": gettext("made a group"),
        "groups.change": gettext("changed a group"),
        "groups.delete": gettext("deleted a group"),
        "groups.add-member": gettext("put somebody into a group"),
        "groups.remove-member": gettext("took somebody out of a group"),
        "sessions.end": gettext("ended a session"),
        "tokens.revoke": gettext("revoked a token"),
        "tickets.create": gettext("made an upload ticket"),
        "tenants.create": gettext("made the tenant"),
        "tenants.rename": gettext("gave the tenant another name"),
        "tenants.suspend": gettext("suspended the tenant"),
        "tenants.resume": gettext("resumed the tenant"),
        "tenants.delete": gettext("deleted the tenant"),
        "tenants.purge": gettext("removed all of the tenant"),
    }
    return told | {
        "users.change": changed,
        "users.set_password": told["users.set-password"],
        "users.end_sessions": told["users.end-sessions"],
        "group_members.change": gettext("changed who is in a group"),
        "group_members.add": told["groups.add-member"],
        "group_members.remove": told["groups.remove-member"],
        "client_secrets.add": told["clients.add-secret"],
        "client_secrets.retire": told["clients.retire-secret"],
    }


def outcome_told(outcome: str) -> str:
    """Return a description of an outcome: done, or the reason of the refusal."""
    if outcome == "done":
        return gettext("done")
    return gettext("refused: %(why)s", why=refusals.outcome(outcome))
