"""The pages for a new bucket, for a bucket's policy, and for the deletion of a bucket."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import buckets
from wharf_console.api.buckets import Bucket
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.bucket_settings import FIELDS, NewBucketForm, PolicyForm, filled, mark_of
from wharf_console.web import questions, refusals
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext

SCOPE = "buckets:admin"
# Every tenant has this bucket without creating it.
ALWAYS_THERE = "default"
Page = str | Response | tuple[str, int]


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("bucket_settings", __name__, url_prefix="/console")

    @routes.route("/buckets/new", methods=["GET", "POST"])
    @needs(SCOPE)
    def new() -> Page:
        form = NewBucketForm()
        if form.validate_on_submit():
            return _create(form)
        status = 422 if request.method == "POST" else 200
        return render_template("bucket_settings/new.html", form=form), status

    @routes.route("/b/<bucket>/settings", methods=["GET", "POST"])
    @needs(SCOPE)
    def page(bucket: str) -> Page:
        found = buckets.read(api(), bucket)
        form = PolicyForm(data=filled(found))
        if form.validate_on_submit():
            return _save(found, form)
        return _settings(found, form, 422 if request.method == "POST" else 200)

    @routes.route("/b/<bucket>/settings/delete", methods=["GET", "POST"])
    @needs(SCOPE)
    def delete(bucket: str) -> Page:
        settings = url_for("bucket_settings.page", bucket=bucket)
        if request.method == "POST":
            return _delete(bucket, settings)
        buckets.read(api(), bucket)
        return questions.ask(
            gettext("Delete the bucket %(name)s?", name=bucket),
            [gettext("Only an empty bucket can be deleted. Its settings are gone for good.")],
            gettext("Delete the bucket"),
            settings,
        )

    return routes


def _settings(bucket: Bucket, form: PolicyForm, status: int, *, is_newer: bool = False) -> Page:
    """Return the page; `is_newer` means that the bucket has changed since the person saw it."""
    page = render_template(
        "bucket_settings/settings.html",
        bucket=bucket,
        form=form,
        is_newer=is_newer,
        may_end=bucket.name != ALWAYS_THERE,
    )
    return page, status


def _create(form: NewBucketForm) -> Page:
    name = (form.name.data or "").strip()
    try:
        # The API would replace the policy of an existing bucket.
        if _is_there(name):
            form.refuse("name", gettext("There is a bucket of this name."))
        elif form.public.data and not form.confirmed.data:
            return _ask_about_public(url_for("bucket_settings.new"))
        else:
            made = buckets.put(api(), name, form.policy())
            flash(gettext("The bucket %(name)s is there.", name=made.name), "success")
            return redirect(url_for("files.listing", bucket=made.name), 303)
    except ApiProblem as problem:
        named_fields.show(form, problem, FIELDS)
    return render_template("bucket_settings/new.html", form=form), 422


def _is_there(name: str) -> bool:
    try:
        buckets.read(api(), name)
    except ApiProblem as problem:
        if problem.status == 404:
            return False
        raise
    return True


def _save(bucket: Bucket, form: PolicyForm) -> Page:
    if form.seen.data != mark_of(bucket):
        # The page shows the new policy, so the person has seen it when the form is sent again.
        form.seen.data = mark_of(bucket)
        return _settings(bucket, form, 412, is_newer=True)
    address = url_for("bucket_settings.page", bucket=bucket.name)
    if form.public.data and not bucket.public and not form.confirmed.data:
        return _ask_about_public(address)
    try:
        buckets.put(api(), bucket.name, form.policy())
    except ApiProblem as problem:
        named_fields.show(form, problem, FIELDS)
        return _settings(bucket, form, 422)
    flash(gettext("The settings are saved."), "success")
    return redirect(address, 303)


def _ask_about_public(back: str) -> str:
    return questions.ask(
        gettext("Make the bucket public?"),
        [
            gettext("Everybody who knows or guesses an address can read the files, now and later."),
            gettext("Search engines may find them. What was read cannot be taken back."),
        ],
        gettext("Make it public"),
        back,
        fields=questions.typed(),
    )


def _delete(bucket: str, settings: str) -> Response:
    try:
        buckets.delete(api(), bucket)
    except ApiProblem as problem:
        if problem.status == 404:
            return redirect(url_for("overview.overview"), 303)
        if problem.status != 409:
            raise
        flash(refusals.sentence(problem), "error")
        return redirect(settings, 303)
    flash(gettext("The bucket %(name)s is deleted.", name=bucket), "success")
    return redirect(url_for("overview.overview"), 303)
