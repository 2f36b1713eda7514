"""The pages of one person: name, role, grants, password, sessions, and deletion."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import users
from wharf_console.api.problems import ApiProblem
from wharf_console.api.users import User, UserChange
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.grants import GrantsForm, places_told
from wharf_console.forms.members import (
    FIELDS,
    MemberForm,
    OwnNameForm,
    StateForm,
    roles,
    roles_told,
)
from wharf_console.web import questions
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext
from wharf_console.web.passwords import new_password

SCOPE = "members:admin"
Page = str | Response | tuple[str, int]


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("member", __name__, url_prefix="/console/members/<user_id>")
    _add_changing(routes)
    _add_reach(routes)
    _add_password(routes)
    _add_ending(routes)
    return routes


def _add_changing(routes: Blueprint) -> None:
    @routes.route("", methods=["GET", "POST"])
    @needs(SCOPE)
    def page(user_id: str) -> Page:
        found = _read(user_id)
        form = _form_of(found)
        if form.validate_on_submit() and _change(found, form):
            flash(gettext("The change is saved."), "success")
            return redirect(url_for("member.page", user_id=user_id), 303)
        shown = render_template(
            "members/member.html",
            user=found,
            form=form,
            role=roles().get(found.role, found.role),
            is_owner=found.role == "owner",
            places=None if found.grants is None else places_told(found.grants),
            is_own=user_id == person().user_id,
        )
        return shown, 422 if request.method == "POST" else 200

    @routes.post("/state")
    @needs(SCOPE)
    def state(user_id: str) -> Response:
        wanted = StateForm().state.data
        if wanted not in {"active", "disabled"}:
            abort(400)
        users.change(api(), person().tenant, user_id, UserChange(state=wanted))
        if wanted == "disabled":
            words = gettext("Logins are off, and the sessions end within seconds.")
        else:
            words = gettext("Logins are on again.")
        flash(words, "success")
        return redirect(url_for("member.page", user_id=user_id), 303)


def _add_reach(routes: Blueprint) -> None:
    @routes.route("/reach", methods=["GET", "POST"])
    @needs(SCOPE)
    def reach(user_id: str) -> Page:
        found, form = _read(user_id), GrantsForm()
        if request.method == "GET" and not form.reach.data:
            form.show(found.grants)
        if form.more.data:
            return _reach_page(found, form)
        if form.validate_on_submit() and form.are_right() and _limit(found, form):
            flash(gettext("The change is saved; it holds within seconds."), "success")
            return redirect(url_for("member.page", user_id=user_id), 303)
        return _reach_page(found, form), 422 if request.method == "POST" else 200


def _add_password(routes: Blueprint) -> None:
    @routes.route("/password", methods=["GET", "POST"])
    @needs(SCOPE)
    def password(user_id: str) -> Page:
        found = _read(user_id)
        if request.method == "POST":
            made = new_password()
            users.set_password(api(), person().tenant, user_id, made)
            # Respond with the page itself: a redirect would have to store the password until the
            # next request.
            return render_template("members/password.html", user=found, password=made)
        return questions.ask(
            gettext("Make a new password for %(name)s?", name=found.username),
            [gettext("The old one is of no use any more, and all sessions end.")],
            gettext("Make a new password"),
            url_for("member.page", user_id=user_id),
        )


def _add_ending(routes: Blueprint) -> None:
    @routes.post("/sessions/end")
    @needs(SCOPE)
    def end_sessions(user_id: str) -> Response:
        users.end_sessions(api(), person().tenant, user_id)
        flash(gettext("The sessions end within seconds."), "success")
        return redirect(url_for("member.page", user_id=user_id), 303)

    @routes.route("/delete", methods=["GET", "POST"])
    @needs(SCOPE)
    def delete(user_id: str) -> Page:
        found = _read(user_id)
        if request.method == "POST":
            users.delete(api(), person().tenant, user_id)
            flash(gettext("%(name)s is deleted.", name=found.username), "success")
            return redirect(url_for("members.overview"), 303)
        return questions.ask(
            gettext("Delete %(name)s?", name=found.username),
            [
                gettext("The account is gone for good, and its sessions end within seconds."),
                gettext("Files that this person has uploaded stay."),
            ],
            gettext("Delete the account"),
            url_for("member.page", user_id=user_id),
        )


def _read(user_id: str) -> User:
    return users.read(api(), person().tenant, user_id)


def _form_of(user: User) -> OwnNameForm:
    if user.user_id == person().user_id:
        return OwnNameForm(data={"display_name": user.display_name})
    form = MemberForm(data={"display_name": user.display_name, "role": user.role})
    # Another release may have given the person a role that this release does not know.
    form.role.choices = roles_told() | ({} if user.role in roles() else {user.role: user.role})
    return form


def _reach_page(user: User, form: GrantsForm) -> str:
    buckets = bucket_names()
    return render_template("members/reach.html", user=user, form=form, buckets=buckets)


def _limit(user: User, form: GrantsForm) -> bool:
    """Change the grants of a person; tell whether it succeeded."""
    try:
        users.change(api(), person().tenant, user.user_id, UserChange(grants=form.grants()))
    except ApiProblem as problem:
        if not form.refuse_grants(problem):
            named_fields.show(form, problem, {})
        return False
    return True


def _change(user: User, form: OwnNameForm) -> bool:
    """Change a person and tell whether it succeeded.

    Send only changed values, because a new role ends the person's sessions.
    """
    name = (form.display_name.data or "").strip()
    role = form.role.data if isinstance(form, MemberForm) else user.role
    wanted = UserChange(
        display_name=None if name == user.display_name else name,
        role=None if role == user.role else role,
    )
    if wanted == UserChange():
        return True
    try:
        users.change(api(), person().tenant, user.user_id, wanted)
    except ApiProblem as problem:
        named_fields.show(form, problem, FIELDS)
        return False
    return True
