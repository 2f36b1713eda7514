"""The pages with the list of the tenant's groups, and for a new group, with presets."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import groups
from wharf_console.api.groups import Group, Wanted
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.groups import FIELDS, GroupForm
from wharf_console.forms.presets import presets
from wharf_console.web import paging
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext

SCOPE = "members:admin"
ROWS = 100


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("groups", __name__, url_prefix="/console/groups")

    @routes.get("")
    @needs(SCOPE)
    def overview() -> str:
        page, is_first = paging.at_cursor(
            lambda cursor: groups.listed(api(), person().tenant, cursor=cursor, limit=ROWS)
        )
        return render_template("groups/list.html", page=page, is_first=is_first, presets=presets())

    @routes.route("/new", methods=["GET", "POST"])
    @needs(SCOPE)
    def new() -> str | Response | tuple[str, int]:
        form = GroupForm()
        if request.method == "GET" and not form.reach.data:
            _begin(form)
        if form.more.data:
            return _page(form)
        if form.validate_on_submit() and form.are_right():
            made = _create(form)
            if made is not None:
                flash(gettext("The group is made. Now add its members."), "success")
                return redirect(url_for("group.page", group=made.group_id), 303)
        return _page(form), 422 if request.method == "POST" else 200

    return routes


def _begin(form: GroupForm) -> None:
    """Fill the form with the preset in the address.

    Without a preset, the form offers a list of places that is empty.
    """
    preset = presets().get(request.args.get("preset", ""))
    form.show(())
    if preset is not None:
        form.name.data = preset.name
        form.show((preset.grant,))


def _page(form: GroupForm) -> str:
    return render_template("groups/new.html", form=form, presets=presets(), buckets=bucket_names())


def _create(form: GroupForm) -> Group | None:
    try:
        return groups.create(api(), person().tenant, wanted(form))
    except ApiProblem as problem:
        refuse(form, problem)
        return None


def wanted(form: GroupForm) -> Wanted:
    """Return the group in the form."""
    return Wanted(
        name=(form.name.data or "").strip(),
        scopes=tuple(form.scopes.data or ()),
        grants=form.grants(),
    )


def refuse(form: GroupForm, problem: ApiProblem) -> None:
    """Show a refusal at the field or row that it is about."""
    if not form.refuse_grants(problem):
        named_fields.show(form, problem, FIELDS)
