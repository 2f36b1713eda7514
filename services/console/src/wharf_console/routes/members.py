"""The pages with the list of the tenant's people, and for a new person."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from wharf_console.api import users
from wharf_console.api.problems import ApiProblem
from wharf_console.api.users import NewUser, User
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.members import FIELDS, NewMemberForm, roles
from wharf_console.web import paging
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api, person
from wharf_console.web.passwords import new_password

SCOPE = "members:admin"
ROWS = 100


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("members", __name__, url_prefix="/console/members")

    @routes.get("")
    @needs(SCOPE)
    def overview() -> str:
        page, is_first = paging.at_cursor(
            lambda cursor: users.listed(api(), person().tenant, cursor=cursor, limit=ROWS)
        )
        return render_template(
            "members/list.html",
            page=page,
            is_first=is_first,
            roles=roles(),
            me=person().user_id,
        )

    @routes.route("/new", methods=["GET", "POST"])
    @needs(SCOPE)
    def new() -> str | Response | tuple[str, int]:
        form = NewMemberForm()
        if request.method == "GET" and not form.reach.data:
            form.show(None)
        if form.more.data:
            return _page(form)
        if form.validate_on_submit() and form.are_right():
            password = new_password()
            made = _create(form, password)
            if made is not None:
                # Respond with the page itself: a redirect would have to store the password until
                # the next request.
                page = render_template("members/password.html", user=made, password=password)
                return page, 201
        return _page(form), 422 if request.method == "POST" else 200

    return routes


def _page(form: NewMemberForm) -> str:
    return render_template("members/new.html", form=form, buckets=bucket_names())


def _create(form: NewMemberForm, password: str) -> User | None:
    wanted = NewUser(
        username=(form.username.data or "").strip(),
        display_name=(form.display_name.data or "").strip() or None,
        role=form.role.data,
        password=password,
        grants=form.grants(),
    )
    try:
        return users.create(api(), person().tenant, wanted)
    except ApiProblem as problem:
        if not form.refuse_grants(problem):
            named_fields.show(form, problem, FIELDS)
        return None
