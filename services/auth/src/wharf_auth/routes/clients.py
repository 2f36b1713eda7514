"""`/auth/v1/tenants/{tenant}/clients`: the programs of a tenant, for administrators and owners."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from flask import Blueprint, Response, g

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND, TENANT_LIMIT, UNPROCESSABLE
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.web import json_response
from wharf_auth.accounts import clients
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Client, NoSuchTenant
from wharf_auth.database.groups_contract import NamedGroup
from wharf_auth.problems import (
    CLIENT_PROTECTED,
    TENANT_DELETED,
    TOO_MANY_REVOCATIONS,
)
from wharf_auth.routes.acting import actor
from wharf_auth.routes.grant_schemas import Grants, GroupName, group_names, shown_grants
from wharf_auth.routes.protections import MANAGERS_OF_TENANT
from wharf_auth.routes.tenants import Page, time_or_none


class NewClient(msgspec.Struct, forbid_unknown_fields=True):
    """A client to create."""

    name: str
    scopes: list[str]
    grants: Grants = None


class ClientChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a client. A member that is left out stays unchanged.

    A change of grants, and the removal of a scope, applies to existing tokens within five seconds.
    A scope that is added appears in the client's next token.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: list[str] | msgspec.UnsetType = msgspec.UNSET
    grants: Grants | msgspec.UnsetType = msgspec.UNSET


class ClientAnswer(msgspec.Struct, kw_only=True):
    """A client. `state` is `active` or `disabled`; `grants` leaves out the grants of its groups."""

    client_id: str
    tenant: str
    name: str
    scopes: list[str]
    grants: Grants
    groups: list[GroupName]
    state: str
    created_at: str
    disabled_at: str | None


class ClientWithSecret(ClientAnswer, kw_only=True):
    """A new client. Only this response shows the secret."""

    client_secret: str


class ClientList(msgspec.Struct):
    """A page of clients; `next_cursor` is `null` on the last page."""

    clients: list[ClientAnswer]
    next_cursor: str | None


CREATE = Operation(
    id="createClient",
    tag="clients",
    summary="Create a client",
    body=NewClient,
    answers={201: Answer("The client with its secret.", ClientWithSecret)},
    problems=(
        NOT_FOUND,
        TENANT_DELETED,
        TENANT_LIMIT,
        UNPROCESSABLE,
        TOO_MANY_REVOCATIONS,
    ),
)
LIST = Operation(
    id="listClients",
    tag="clients",
    summary="List a tenant's clients, oldest first",
    query=Page,
    answers={200: Answer("A page of clients.", ClientList)},
    problems=(NOT_FOUND,),
)
READ = Operation(
    id="getClient",
    tag="clients",
    summary="Read a client",
    answers={200: Answer("The client.", ClientAnswer)},
    problems=(NOT_FOUND,),
)
CHANGE = Operation(
    id="updateClient",
    tag="clients",
    summary="Change a client's name, scopes or grants",
    body=ClientChange,
    answers={200: Answer("The client as it is now.", ClientAnswer)},
    problems=(NOT_FOUND, CLIENT_PROTECTED, TENANT_LIMIT, UNPROCESSABLE),
)
DISABLE = Operation(
    id="disableClient",
    tag="clients",
    summary="Disable a client permanently",
    answers={204: Answer("The client gets no more tokens, and its existing tokens are refused.")},
    problems=(NOT_FOUND, CLIENT_PROTECTED),
)


def answer(client: Client, groups: Sequence[NamedGroup] = ()) -> ClientAnswer:
    """Convert the client into its form in responses."""
    return ClientAnswer(
        client_id=client.id,
        tenant=client.tenant,
        name=client.name,
        scopes=list(client.scopes),
        grants=shown_grants(client.grants),
        groups=group_names(groups),
        state="active" if client.disabled_at is None else "disabled",
        created_at=timestamp(client.created_at / 1000),
        disabled_at=time_or_none(client.disabled_at),
    )


def with_secret(client: Client, secret: str) -> ClientWithSecret:
    """Convert a new client into its form in the one response that shows its secret."""
    return ClientWithSecret(**msgspec.structs.asdict(answer(client)), client_secret=secret)


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of clients."""
    routes = ProtectedBlueprint(
        "clients",
        __name__,
        url_prefix="/auth/v1/tenants/<tenant:tenant>/clients",
        protection=MANAGERS_OF_TENANT,
    )
    _add_reading(routes, context)
    _add_creating(routes, context)
    _add_changing(routes, context)
    return routes


def _add_creating(routes: Blueprint, context: AppContext) -> None:
    records, clock = context.records, context.clock

    @routes.post("")
    @operation(CREATE)
    def create(tenant: str, body: NewClient) -> Response:
        client, secret = clients.create(
            records,
            context.hasher,
            clock,
            tenant=tenant,
            name=body.name,
            wanted=body.scopes,
            given=body.grants,
            by=actor(),
        )
        response = json_response(with_secret(client, secret), 201)
        response.headers["Cache-Control"] = "no-store"
        return response


def _add_changing(routes: Blueprint, context: AppContext) -> None:
    records, clock = context.records, context.clock

    @routes.patch("/<client:client>")
    @operation(CHANGE)
    def change(tenant: str, client: str, body: ClientChange) -> ClientAnswer:
        if client == g.principal.subject:
            raise CLIENT_PROTECTED(
                "A client cannot change itself. Use the token of another client or a person."
            )
        changed = clients.Change(name=body.name, scopes=body.scopes, grants=body.grants)
        return _told(context, clients.change(records, clock, tenant, client, changed, actor()))

    @routes.delete("/<client:client>")
    @operation(DISABLE)
    def disable(tenant: str, client: str) -> None:
        if client == g.principal.subject:
            raise CLIENT_PROTECTED(
                "A client cannot disable itself. Use the token of another client or a person."
            )
        clients.disable(records, clock, tenant, client, actor())


def _add_reading(routes: Blueprint, context: AppContext) -> None:
    @routes.get("")
    @operation(LIST)
    def listing(tenant: str, query: Page) -> ClientList:
        try:
            found = context.records.clients(tenant, after=query.cursor, limit=query.limit + 1)
        except NoSuchTenant:
            raise NOT_FOUND("There is no such tenant.") from None
        groups = context.records.group_names_of(tenant, [client.id for client in found])
        return ClientList(
            *query.cut(found, lambda client: answer(client, groups.get(client.id, ())))
        )

    @routes.get("/<client:client>")
    @operation(READ)
    def read(tenant: str, client: str) -> ClientAnswer:
        return _told(context, clients.read(context.records, tenant, client))


def _told(context: AppContext, client: Client) -> ClientAnswer:
    groups = context.records.group_names_of(client.tenant, [client.id])
    return answer(client, groups.get(client.id, ()))
