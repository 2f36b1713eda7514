"""The pages of one group: its grants and scopes, its members, and its deletion."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import groups
from wharf_console.api.groups import Group
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms.clients import scopes_told
from wharf_console.forms.grants import places_told
from wharf_console.forms.groups import AddForm, GroupForm
from wharf_console.routes.groups import SCOPE, refuse, wanted
from wharf_console.web import group_members, paging, questions, refusals
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext, ngettext

Page = str | Response | tuple[str, int]
ROWS = 100


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("group", __name__, url_prefix="/console/groups/<group>")
    _add_members(routes)
    _add_changing(routes)
    return routes


def _add_members(routes: Blueprint) -> None:
    @routes.route("", methods=["GET", "POST"])
    @needs(SCOPE)
    def page(group: str) -> Page:
        found, form = _read(group), AddForm()
        if form.validate_on_submit() and _add(found, form):
            return redirect(url_for("group.page", group=group), 303)
        return _page(found, form), 422 if request.method == "POST" else 200

    @routes.post("/remove")
    @needs(SCOPE)
    def remove(group: str) -> Response:
        groups.remove(api(), person().tenant, group, request.form.get("subject") or "none")
        flash(gettext("That is done; it holds within seconds."), "success")
        return redirect(url_for("group.page", group=group), 303)


def _add_changing(routes: Blueprint) -> None:
    @routes.route("/change", methods=["GET", "POST"])
    @needs(SCOPE)
    def change(group: str) -> Page:
        found, form = _read(group), GroupForm()
        if request.method == "GET" and not form.reach.data:
            form.name.data, form.scopes.data = found.name, list(found.scopes)
            form.show(found.grants)
        if form.more.data:
            return _form_page(found, form)
        if form.validate_on_submit() and form.are_right() and _change(group, form):
            flash(gettext("The change is saved; it holds within seconds."), "success")
            return redirect(url_for("group.page", group=group), 303)
        return _form_page(found, form), 422 if request.method == "POST" else 200

    @routes.route("/delete", methods=["GET", "POST"])
    @needs(SCOPE)
    def delete(group: str) -> Page:
        found = _read(group)
        if request.method == "POST":
            groups.delete(api(), person().tenant, group)
            flash(gettext("%(name)s is deleted.", name=found.name), "success")
            return redirect(url_for("groups.overview"), 303)
        return questions.ask(
            gettext("Delete the group %(name)s?", name=found.name),
            [gettext("Its members lose what it gives within seconds. Files stay.")],
            gettext("Delete the group"),
            url_for("group.page", group=group),
        )


def _read(group: str) -> Group:
    return groups.read(api(), person().tenant, group)


def _page(found: Group, form: AddForm) -> str:
    tenant, group = person().tenant, found.group_id
    members, is_first = paging.at_cursor(
        lambda cursor: groups.members(api(), tenant, group, cursor=cursor, limit=ROWS)
    )
    return render_template(
        "groups/group.html",
        group=found,
        form=form,
        page=members,
        is_first=is_first,
        scopes=scopes_told(),
        places=None if found.grants is None else places_told(found.grants),
    )


def _form_page(found: Group, form: GroupForm) -> str:
    buckets = bucket_names()
    return render_template("groups/change.html", group=found, form=form, buckets=buckets)


def _change(group: str, form: GroupForm) -> bool:
    try:
        groups.change(api(), person().tenant, group, wanted(form))
    except ApiProblem as problem:
        refuse(form, problem)
        return False
    return True


def _add(group: Group, form: AddForm) -> bool:
    """Add the named members and return true; after a refusal, show an error and return false."""
    found = group_members.find(form.wanted())
    if found.unknown or found.too_many:
        form.refuse("names", group_members.refusal(found))
        return False
    try:
        groups.add(api(), person().tenant, group.group_id, tuple(one.id for one in found.known))
        limited = group_members.limit(found.known) if form.alone.data else 0
    except ApiProblem as problem:
        if problem.status not in {404, 409, 422}:
            raise
        form.refuse("names", refusals.sentence(problem))
        return False
    count = len(found.known)
    flash(ngettext("%(num)d member added.", "%(num)d members added.", count), "success")
    if limited:
        told_of = ngettext(
            "%(num)d of them reaches only what its groups give.",
            "%(num)d of them reach only what their groups give.",
            limited,
        )
        flash(told_of, "success")
    return True
