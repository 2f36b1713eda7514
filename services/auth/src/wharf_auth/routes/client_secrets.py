"""`…/clients/{client}/secrets`: with two secrets, a client can change a secret without a gap."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.web import json_response
from wharf_auth.accounts import clients
from wharf_auth.context import AppContext
from wharf_auth.database.contract import MAX_LIVE_SECRETS, NoSuchClient, Secret, TooManySecrets
from wharf_auth.problems import TOO_MANY_SECRETS
from wharf_auth.routes.acting import actor
from wharf_auth.routes.grants.issuing import no_store
from wharf_auth.routes.protections import MANAGERS_OF_TENANT


class SecretAnswer(msgspec.Struct, kw_only=True):
    """A live secret; `hint` is its last characters."""

    secret_id: str
    hint: str
    created_at: str


class NewSecret(SecretAnswer, kw_only=True):
    """A new secret. Only this response shows it."""

    client_id: str
    client_secret: str


class SecretList(msgspec.Struct):
    """The live secrets of a client, oldest first."""

    secrets: list[SecretAnswer]


LIST = Operation(
    id="listClientSecrets",
    tag="clients",
    summary="List a client's live secrets",
    answers={200: Answer("The secrets' ids and hints, without the secrets.", SecretList)},
    problems=(NOT_FOUND,),
)
ADD = Operation(
    id="createClientSecret",
    tag="clients",
    summary="Give a client a second secret",
    description="Give the new secret to the program, then retire the old secret: no request fails "
    "in between.",
    answers={201: Answer("The secret.", NewSecret)},
    problems=(NOT_FOUND, TOO_MANY_SECRETS),
)
RETIRE = Operation(
    id="deleteClientSecret",
    tag="clients",
    summary="Retire one of a client's secrets",
    answers={204: Answer("The secret is retired: no client gets a token with it any more.")},
    problems=(NOT_FOUND,),
)


def answer(secret: Secret) -> SecretAnswer:
    """Convert the secret into its form in responses."""
    return SecretAnswer(
        secret_id=secret.id, hint=secret.hint, created_at=timestamp(secret.created_at / 1000)
    )


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of clients' secrets."""
    routes = ProtectedBlueprint(
        "client_secrets",
        __name__,
        url_prefix="/auth/v1/tenants/<tenant:tenant>/clients/<client:client>/secrets",
        protection=MANAGERS_OF_TENANT,
    )
    _add_listing(routes, context)
    _add_changing(routes, context)
    return routes


def _add_listing(routes: Blueprint, context: AppContext) -> None:
    @routes.get("")
    @operation(LIST)
    def listing(tenant: str, client: str) -> SecretList:
        login = context.records.login(client)
        if login is None or login.client.tenant != tenant:
            raise _absent()
        return SecretList([answer(secret) for secret in login.secrets])


def _add_changing(routes: Blueprint, context: AppContext) -> None:
    records, hasher, clock = context.records, context.hasher, context.clock

    @routes.post("")
    @operation(ADD)
    def add(tenant: str, client: str) -> Response:
        try:
            kept, secret = clients.add_secret(records, hasher, clock, tenant, client, actor())
        except NoSuchClient:
            raise _absent() from None
        except TooManySecrets:
            raise TOO_MANY_SECRETS(
                f"The client has {MAX_LIVE_SECRETS} live secrets; retire one of them first."
            ) from None
        shown = msgspec.structs.asdict(answer(kept))
        made = NewSecret(**shown, client_id=client, client_secret=secret)
        return no_store(json_response(made, 201))

    @routes.delete("/<client:secret>")
    @operation(RETIRE)
    def retire(tenant: str, client: str, secret: str) -> None:
        try:
            live = clients.retire_secret(records, clock, tenant, client, secret, actor())
        except NoSuchClient:
            raise _absent() from None
        if not live:
            raise NOT_FOUND("The client has no such live secret.")


def _absent() -> Exception:
    return NOT_FOUND("The tenant has no such client.")
