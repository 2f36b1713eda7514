"""Each preset of docs/tour.md, "Grants", allows only the actions that the page describes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.servers.code_blocks import blocks
from tests.servers.wharf import checkout_shell, people
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.people import Person
from tests.servers.wharf.tenants import Tenants

TOUR = "docs/tour.md"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@dataclass(frozen=True)
class Team:
    """The tenant that docs/tour.md calls `acme`."""

    wharf: Wharf
    owner: Person
    client: ApiClient

    @property
    def tenant(self) -> str:
        """Return the name of the tenant."""
        return self.client.tenant

    def run(self, block: str) -> str:
        """Run commands with this tenant in place of `acme`, and return their output."""
        script = re.sub(r"\bacme\b", self.tenant, block)
        return checkout_shell.run(self.wharf, script, ADA=str(self.owner.api.token))

    def person(self, username: str, said: str) -> Person:
        """Return the logged-in person whose id and password are in the output of a command."""
        (found,) = re.findall(r"user_id: (\w+)\npassword: (.*)", said)
        person = Person(self.client.using(None), found[0], username)
        answer = person.login(found[1])
        assert answer.status == 200, answer.body
        return person


@pytest.fixture(scope="module")
def team(wharf: Wharf, tenants: Tenants) -> Team:
    """Return the tenant, with an owner, and with a client without a list of grants, which reaches
    everything.
    """
    client = tenants.tenant()
    owner = people.make(tenants.admin, client.tenant, role="owner")
    assert owner.login().status == 200
    return Team(wharf, owner, client)


@dataclass(frozen=True)
class Preset:
    """The people and the client that the page's commands make, and a colleague of Eve."""

    team: Team
    auditor: Person
    scanner: ApiClient
    eve: Person
    bob: Person


def colleague(team: Team) -> Person:
    """Make Bob by HTTP, add him to all groups of the tenant, as Eve is, and log him in."""
    admin, place = team.owner.api, f"/auth/v1/tenants/{team.tenant}"
    body = {"username": "bob", "role": "editor", "password": people.PASSWORD, "grants": []}
    made = admin.send_json("POST", f"{place}/users", body)
    assert made.status == 201, made.body
    bob = Person(team.client.using(None), made.json()["user_id"], "bob")
    for group in admin.get(f"{place}/groups").json()["groups"]:
        member = f"{place}/groups/{group['group_id']}/members/{bob.id}"
        assert admin.request("PUT", member).status == 204
    assert bob.login().status == 200
    return bob


@pytest.fixture(scope="module")
def preset(team: Team) -> Preset:
    """Run the commands of the page, and return their people and client with Eve's colleague."""
    presets, member = blocks(TOUR, "Grants")
    made = team.run(presets)
    auditor, eve = team.person("auditor", made), team.person("eve", team.run(member))
    bob = colleague(team)
    known = dict(re.findall(r"(client_id|client_secret): (\S+)", made))
    answer = team.client.login(known["client_id"], known["client_secret"])
    assert answer.status == 200, answer.body
    scanner = team.client.using(answer.json()["access_token"])
    return Preset(team, auditor, scanner, eve, bob)


def test_the_pages_say_the_same() -> None:
    """docs/grants.md has the same commands as docs/tour.md, so these tests cover both pages."""
    assert blocks("docs/grants.md", "Presets") == blocks(TOUR, "Grants")


def test_a_private_folder(preset: Preset) -> None:
    """A group's member has a folder; other members get 404 for its files, as for absent files."""
    eve, bob = preset.eve.api, preset.bob.api
    key = f"home/{preset.eve.id}/plan.txt"
    eve.stored(key)
    assert eve.file(key).body == SMALL
    assert eve.listed() == [key]
    assert bob.listed() == []
    absent = bob.file(f"home/{preset.eve.id}/none.txt").problem(404, "not-found")
    there = bob.file(key).problem(404, "not-found")
    assert {**there, "request_id": 0, "detail": 0} == {**absent, "request_id": 0, "detail": 0}
    bob.delete(key).problem(404, "not-found")
    bob.put(key).problem(403, "outside-grants")
    bob.put("notes.txt").problem(403, "outside-grants")
    assert preset.team.owner.api.file(key).status == 200
    assert eve.delete(key).status == 204


def test_a_public_avatar(preset: Preset) -> None:
    """Any client can read a person's picture; only this person can replace it."""
    eve, key = preset.eve, preset.eve.id
    public = f"/public/{preset.team.tenant}/avatars/{key}"
    eve.api.stored(key, PNG, bucket="avatars")
    assert eve.api.put(key, PNG + b"2", bucket="avatars").status in (200, 201)
    preset.bob.api.put(key, PNG, bucket="avatars").problem(403, "outside-grants")
    assert preset.team.client.using(None).get(public).body == PNG + b"2"
    eve.api.put(key, SMALL, bucket="avatars").problem(415, "type-not-allowed")


def test_a_write_only_inbox(preset: Preset) -> None:
    """The program can write below `inbox/`, but cannot read, list, delete, or write elsewhere."""
    scanner, key = preset.scanner, "inbox/scan.pdf"
    scanner.stored(key)
    scanner.put("outbox/scan.pdf").problem(403, "outside-grants")
    for answer in (scanner.file(key), scanner.delete(key), scanner.get("/v1/files/default")):
        assert answer.status in (403, 404)
        assert answer.slug in ("insufficient-scope", "not-found")
    assert preset.team.owner.api.file(key).body == SMALL


def test_a_read_only_auditor(preset: Preset) -> None:
    """The auditor reads one bucket, gets 404 for other buckets, and can change nothing."""
    auditor, client = preset.auditor.api, preset.team.client
    client.stored("books/2026.csv")
    assert client.send_json("PUT", "/v1/buckets/secret", {}).status == 201
    client.stored("plan.txt", bucket="secret")
    assert auditor.file("books/2026.csv").body == SMALL
    assert "books/2026.csv" in auditor.listed()
    auditor.put("books/2026.csv").problem(403, "insufficient-scope")
    auditor.delete("books/2026.csv").problem(403, "insufficient-scope")
    auditor.file("plan.txt", bucket="secret").problem(404, "not-found")
    auditor.get("/v1/files/secret").problem(404, "not-found")
    names = [one["name"] for one in auditor.get("/v1/buckets").json()["buckets"]]
    assert names == ["default"]
