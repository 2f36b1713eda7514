"""Every way in which a client can store a file, for tests that must hold for each of them.

A new way needs a row in `WAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from tests.servers.wharf.api_client import Answer, ApiClient, Headers
from tests.servers.wharf.multipart_body import CONTENT_TYPE, field_part, file_part, multipart_body
from tests.servers.wharf.slice_forms import last_slice_by_ticket, last_slice_of, slice_form_of
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import OCTETS, TUS, Tus

FOLDER = "in/"
PUT_FILE, POST_FORM = ("PUT", "/v1/files/{bucket}/{key}"), ("POST", "/v1/files/{bucket}")
PUT_TICKET, PUT_NAME = ("PUT", "/u/{ticket}"), ("PUT", "/u/{ticket}/{key}")
POST_TICKET = ("POST", "/u/{ticket}")
CREATE = ("POST", "/v1/uploads")
PATCH, PATCH_BY_POST = ("PATCH", "/v1/uploads/{upload}"), ("POST", "/v1/uploads/{upload}")
TICKET_PATCH = ("PATCH", "/u/{ticket}/uploads/{upload}")
TICKET_PATCH_BY_POST = ("POST", "/u/{ticket}/uploads/{upload}")
OVERRIDE = {"X-HTTP-Method-Override": "PATCH"}


@dataclass(frozen=True)
class Sender:
    """A client with a token of a tenant, and the signer of tickets for the same tenant."""

    api: ApiClient
    signer: Signer
    _tickets: dict[str, str] = field(default_factory=dict)

    @property
    def anyone(self) -> ApiClient:
        """Return a client without a credential in the header."""
        return self.api.using(None)

    def ticket(self, **rules: Any) -> str:
        """Return a ticket with these rules; equal rules get the same ticket.

        The default is the prefix `in/`.
        """
        named = rules or {"prefix": FOLDER}
        return self._tickets.setdefault(
            repr(named),
            self.signer.token(
                tid=self.api.tenant, scope="files:write", ticket={"bucket": "default", **named}
            ),
        )


class Send(Protocol):
    """A function that sends a file, and returns the last response, or the first refusal."""

    def __call__(
        self, sender: Sender, name: str, content: bytes, first: Headers, brings: Headers
    ) -> Answer:
        """Send a file.

        `first` is added to the fields of the request that names the file, and `brings` to the
        fields of the request with the file's bytes.
        """


@dataclass(frozen=True)
class Way:
    """A way to store a file: `operations` of OpenAPI, and `protocol`, the label in the metrics.

    `replaces` states whether the way replaces an existing file. `message` returns the bytes that
    Content-Digest and Repr-Digest cover.
    """

    send: Send
    operations: tuple[tuple[str, str], ...]
    protocol: str
    folder: str = ""
    replaces: bool = True
    message: Callable[[str, bytes], bytes] = lambda _, content: content


def put(fields: Mapping[str, str], *, chunked: bool = False) -> Send:
    """Return a function that sends a `PUT` of the file."""

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        body = iter([content]) if chunked else content
        return sender.api.put(name, body, {**fields, **first, **brings})

    return send


def put_by_ticket(fields: Mapping[str, str], *, key: bool = False, header: bool = False) -> Send:
    """Return a function that sends a `PUT` by ticket.

    The ticket is for a folder or for a key, and is in the header or in the address.
    """

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        sent = {**fields, **first, **brings}
        ticket = sender.ticket(key=f"{FOLDER}{name}") if key else sender.ticket()
        if header:
            return sender.anyone.using(ticket).put(f"{FOLDER}{name}", content, sent)
        address = f"/u/{ticket}" if key else f"/u/{ticket}/{name}"
        return sender.anyone.request("PUT", address, content, sent)

    return send


def in_parts(begin: Callable[[Sender, str], tuple[ApiClient, str]], method: str = "PATCH") -> Send:
    """Return a function that sends an empty PUT by the IETF protocol, then the bytes.

    `begin` returns client and address.
    """

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        api, address = begin(sender, name)
        begun = api.request("PUT", address, b"", {"Upload-Complete": "?0", **first})
        if begun.status != 201:
            return begun
        fields = {
            "Content-Type": "application/partial-upload",
            "Upload-Offset": "0",
            "Upload-Complete": "?1",
            **(OVERRIDE if method == "POST" else {}),
            **brings,
        }
        return api.request(method, begun.header("Location"), content, fields)

    return send


def bytes_first(
    sender: Sender, name: str, content: bytes, first: Headers, brings: Headers
) -> Answer:
    """Send all bytes in one request of the IETF protocol, then complete the upload in another."""
    begun = sender.api.put(name, content, {"Upload-Complete": "?0", **first, **brings})
    if begun.status != 201:
        return begun
    fields = {
        "Content-Type": "application/partial-upload",
        "Upload-Offset": begun.header("Upload-Offset"),
        "Upload-Complete": "?1",
        **{name: value for name, value in brings.items() if name == "Prefer"},
    }
    return sender.api.request("PATCH", begun.header("Location"), b"", fields)


def form_of(name: str, content: bytes) -> bytes:
    """Return a form that replaces an existing file."""
    return multipart_body(field_part("on_conflict", "replace"), file_part(name, content))


def adding_form_of(name: str, content: bytes) -> bytes:
    """Return a form without a choice for an existing file."""
    return multipart_body(file_part(name, content))


def form(body: Callable[[str, bytes], bytes]) -> Send:
    """Return a function that sends a form, which `body` makes."""

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        return sender.api.post_body(body(name, content), {**first, **brings})

    return send


def form_by_ticket(*, key: bool = False, header: bool = False) -> Send:
    """Return a function that sends a form by ticket.

    The ticket is for a folder or for a key, and is in the header or in the address.
    """

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        ticket = sender.ticket(key=f"{FOLDER}{name}") if key else sender.ticket()
        body, sent = adding_form_of(name, content), {**first, **brings}
        if header:
            return sender.anyone.using(ticket).post_body(body, sent)
        fields = {"Content-Type": CONTENT_TYPE, **sent}
        return sender.anyone.request("POST", f"/u/{ticket}", body, fields)

    return send


def slices(*, ticket: bool = False) -> Send:
    """Return a function that sends two slices of dropzone.

    Digests are sent with the last slice, and all other fields with both slices.
    """

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        sent = {"Content-Type": CONTENT_TYPE, **first, **brings}
        digests = [field for field in sent if field.endswith("-Digest")]
        early = {field: value for field, value in sent.items() if field not in digests}
        # Slices of a file with a digest have the file name
        # as identifier; other files get a random identifier.
        uuid = name if digests else str(uuid4())
        api, address = sender.api, "/v1/files/default"
        if ticket:
            api, address = sender.anyone, f"/u/{sender.ticket()}"
        choice = {} if ticket else {"on_conflict": "replace"}
        begun = api.request("POST", address, slice_form_of(name, content, uuid, 0, choice), early)
        if begun.status != 202:
            return begun
        return api.request("POST", address, slice_form_of(name, content, uuid, 1, choice), sent)

    return send


def tus_at_once(
    sender: Sender, name: str, content: bytes, first: Headers, brings: Headers
) -> Answer:
    """Create a tus upload with all its bytes in the creation."""
    fields = {**first, **brings}
    return Tus(sender.api).create(
        len(content), content, fields, filename=name, on_conflict="replace"
    )


def tus_in_two(method: str = "PATCH", *, ticket: bool = False, chooses: bool = True) -> Send:
    """Return a function that sends a tus creation, then the bytes.

    With `chooses` and without `ticket`, the creation asks to replace an existing file.
    """

    def send(sender: Sender, name: str, content: bytes, first: Headers, brings: Headers) -> Answer:
        tus = Tus(sender.anyone.using(sender.ticket()) if ticket else sender.api)
        choice = {"on_conflict": "replace"} if chooses and not ticket else {}
        begun = tus.create(len(content), None, first, filename=name, **choice)
        if begun.status != 201:
            return begun
        sent = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS, **brings}
        override = OVERRIDE if method == "POST" else {}
        return tus.api.request(method, begun.header("Location"), content, {**sent, **override})

    return send


def tus_joined(
    sender: Sender, name: str, content: bytes, first: Headers, brings: Headers
) -> Answer:
    """Send a partial tus upload, then the final upload of this part."""
    tus = Tus(sender.api)
    part = tus.create(len(content), headers={"Upload-Concat": "partial"}).header("Location")
    patched = tus.patch(part, 0, content, brings)
    if patched.status != 204:
        return patched
    joining = {"Upload-Concat": f"final;{part}", "Upload-Length": "", **first}
    prefer = {name: value for name, value in brings.items() if name == "Prefer"}
    return tus.create(0, None, {**joining, **prefer}, filename=name, on_conflict="replace")


def _file(sender: Sender, name: str) -> tuple[ApiClient, str]:
    return sender.api, f"/v1/files/default/{name}"


def _by_ticket(sender: Sender, name: str) -> tuple[ApiClient, str]:
    return sender.anyone, f"/u/{sender.ticket()}/{name}"


def _by_key(sender: Sender, name: str) -> tuple[ApiClient, str]:
    return sender.anyone, f"/u/{sender.ticket(key=f'{FOLDER}{name}')}"


def _by_ticket_in_header(sender: Sender, name: str) -> tuple[ApiClient, str]:
    return sender.anyone.using(sender.ticket()), f"/v1/files/default/{FOLDER}{name}"


WHOLE = {"Upload-Complete": "?1"}
IOS_18 = {**WHOLE, "Upload-Draft-Interop-Version": "6"}
IOS_17 = {"Upload-Incomplete": "?0", "Upload-Draft-Interop-Version": "3"}
WAYS: dict[str, Way] = {
    "PUT": Way(put({}), (PUT_FILE,), "raw"),
    "PUT in chunks": Way(put({}, chunked=True), (PUT_FILE,), "raw"),
    "PUT, whole": Way(put(WHOLE), (PUT_FILE,), "raw"),
    "PUT, whole, in chunks": Way(put(WHOLE, chunked=True), (PUT_FILE,), "raw"),
    "PUT by iOS 18": Way(put(IOS_18), (PUT_FILE,), "raw"),
    "PUT by iOS 17": Way(put(IOS_17), (PUT_FILE,), "raw"),
    "PUT in parts": Way(in_parts(_file), (PUT_FILE, PATCH), "ietf"),
    "PUT in parts by POST": Way(in_parts(_file, "POST"), (PUT_FILE, PATCH_BY_POST), "ietf"),
    "PUT in parts, bytes first": Way(bytes_first, (PUT_FILE, PATCH), "ietf"),
    "PUT, ticket in header": Way(
        put_by_ticket({}, header=True), (PUT_FILE,), "raw", FOLDER, replaces=False
    ),
    "PUT in parts, ticket in header": Way(
        in_parts(_by_ticket_in_header), (PUT_FILE, PATCH), "ietf", FOLDER, replaces=False
    ),
    "PUT by ticket": Way(put_by_ticket({}), (PUT_NAME,), "ticket", FOLDER, replaces=False),
    "PUT, whole, by ticket": Way(
        put_by_ticket(WHOLE), (PUT_NAME,), "ticket", FOLDER, replaces=False
    ),
    "PUT by a ticket for a key": Way(put_by_ticket({}, key=True), (PUT_TICKET,), "ticket", FOLDER),
    "PUT in parts by ticket": Way(
        in_parts(_by_ticket), (PUT_NAME, TICKET_PATCH), "ietf", FOLDER, replaces=False
    ),
    "PUT in parts by a ticket for a key": Way(
        in_parts(_by_key, "POST"), (PUT_TICKET, TICKET_PATCH_BY_POST), "ietf", FOLDER
    ),
    "form": Way(form(form_of), (POST_FORM,), "form", message=form_of),
    "form without a choice": Way(
        form(adding_form_of), (POST_FORM,), "form", message=adding_form_of
    ),
    "form, ticket in header": Way(
        form_by_ticket(header=True),
        (POST_FORM,),
        "form",
        FOLDER,
        replaces=False,
        message=adding_form_of,
    ),
    "form by ticket": Way(
        form_by_ticket(),
        (POST_TICKET,),
        "ticket_form",
        FOLDER,
        replaces=False,
        message=adding_form_of,
    ),
    "form by a ticket for a key": Way(
        form_by_ticket(key=True), (POST_TICKET,), "ticket_form", FOLDER, message=adding_form_of
    ),
    "slices": Way(slices(), (POST_FORM,), "form", message=last_slice_of),
    "slices by ticket": Way(
        slices(ticket=True),
        (POST_TICKET,),
        "ticket_form",
        FOLDER,
        replaces=False,
        message=last_slice_by_ticket,
    ),
    "tus at once": Way(tus_at_once, (CREATE,), "tus"),
    "tus": Way(tus_in_two(), (CREATE, PATCH), "tus"),
    "tus without a choice": Way(tus_in_two(chooses=False), (CREATE, PATCH), "tus"),
    "tus by POST": Way(tus_in_two("POST"), (CREATE, PATCH_BY_POST), "tus"),
    "tus, ticket in header": Way(
        tus_in_two(ticket=True), (CREATE, PATCH), "tus", FOLDER, replaces=False
    ),
    "tus joined": Way(tus_joined, (CREATE, PATCH), "tus"),
}
