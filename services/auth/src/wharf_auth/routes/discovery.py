"""Public routes under `/.well-known`: the key set and the addresses of the endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import public
from servicekit.web import json_response
from wharf_auth.context import AppContext
from wharf_auth.domain.rotation import JWKS_MAX_AGE_SECONDS
from wharf_auth.domain.scopes import SCOPES
from wharf_auth.routes.grants import GRANTS

_METADATA_PATH = "/.well-known/oauth-authorization-server"
_METHODS = ["client_secret_basic", "client_secret_post"]
_MAX_AGE = f"public, max-age={JWKS_MAX_AGE_SECONDS}"
_CACHED = {"Cache-Control": f"`max-age={JWKS_MAX_AGE_SECONDS}`."}


class KeySet(msgspec.Struct):
    """A set of public keys (RFC 7517)."""

    keys: list[dict[str, str]]


class Metadata(msgspec.Struct):
    """The metadata of the authorization server (RFC 8414)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    service_documentation: str


KEYS = Operation(
    id="getKeySet",
    tag="discovery",
    summary="Read the public keys that verify access tokens",
    answers={200: Answer("The key set.", KeySet, _CACHED)},
)
METADATA = Operation(
    id="getServerMetadata",
    tag="discovery",
    summary="Read the addresses and abilities of the endpoints",
    answers={200: Answer("The metadata.", Metadata, _CACHED)},
    problems=(NOT_FOUND,),
)
METADATA_OF_ISSUER = replace(
    METADATA,
    id="getIssuerMetadata",
    summary="Read the metadata at the address of an issuer with a path",
)


def metadata(issuer: str, gateway: str) -> Metadata:
    """Return the metadata of this service as the issuer behind the gateway."""
    return Metadata(
        issuer=issuer,
        token_endpoint=f"{gateway}/auth/oauth/token",
        revocation_endpoint=f"{gateway}/auth/oauth/revoke",
        introspection_endpoint=f"{gateway}/auth/oauth/introspect",
        jwks_uri=f"{gateway}/.well-known/jwks.json",
        scopes_supported=list(SCOPES),
        # There is no authorization endpoint, so there are no response types.
        response_types_supported=[],
        grant_types_supported=list(GRANTS),
        # Neither a person's refresh token nor a token exchange needs credentials of a client.
        token_endpoint_auth_methods_supported=[*_METHODS, "none"],
        revocation_endpoint_auth_methods_supported=_METHODS,
        introspection_endpoint_auth_methods_supported=_METHODS,
        service_documentation=f"{gateway}/auth/openapi.json",
    )


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes under `/.well-known`."""
    routes = ProtectedBlueprint(
        "discovery", __name__, protection=public("keys and endpoints are public")
    )
    made = metadata(context.settings.issuer, context.settings.gateway_url)

    @routes.get("/.well-known/jwks.json")
    @operation(KEYS)
    def keys() -> Response:
        return _cached(context.keys.jwks())

    @routes.get(_METADATA_PATH)
    @operation(METADATA)
    def server() -> Response:
        return _cached(made)

    @routes.get(f"{_METADATA_PATH}/<path:issuer_path>")
    @operation(METADATA_OF_ISSUER)
    def server_with_path(issuer_path: str) -> Response:
        # RFC 8414 section 3.1: the path of the issuer follows the well-known part.
        if urlsplit(context.settings.issuer).path != f"/{issuer_path}":
            raise NOT_FOUND("No issuer has this path.")
        return _cached(made)

    return routes


def _cached(content: Any) -> Response:
    response = json_response(content)
    response.headers["Cache-Control"] = _MAX_AGE
    return response
