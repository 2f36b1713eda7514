"""The console's pages for grants, and the pages of people who have only certain grants."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.console.test_administration import Owner, shown, unique
from tests.servers.wharf.instance import Wharf

PLACES: dict[str, Any] = {
    "reach": "places",
    "bucket": "default",
    "prefix": "home/{user_id}/",
    "action": ["0.read", "0.write", "0.delete", "0.list"],
}
LIST = "/console/b/default/"


@pytest.fixture
def owner(wharf: Wharf) -> Owner:
    """Return the first person of the demo tenant, logged in."""
    found = Owner(wharf)
    assert found.login()[0] == 303
    return found


def test_a_folder_of_ones_own_from_the_preset_to_the_upload(wharf: Wharf, owner: Owner) -> None:
    """An owner can grant a folder by the pages, and the member's pages show only that folder."""
    person, name = unique("eve"), unique("homes")
    made = owner.send("/console/members/new", username=person, role="editor")
    new = "/console/groups/new?preset=folders"
    assert 'value="home/{user_id}/"' in owner.page(new)
    status, group = owner.send("/console/groups/new", on=new, name=name, **PLACES)
    assert status == 303
    status, text = owner.send("/console/groups/new", on=new, name=name.upper(), **PLACES)
    assert (status, 'id="name-error"' in text) == (422, True)
    assert owner.send(group, names=person, alone="y") == (303, group)
    found = re.search(rf'/console/members/([0-9a-f]+)"><bdi>{person}<', owner.page(group))
    assert found
    reach = f"/console/members/{found[1]}/reach"
    status, text = owner.send(reach, **{**PLACES, "prefix": "{client}/"})
    assert (status, 'id="place-0-error"' in text) == (422, True)
    eve = Owner(wharf)
    assert eve.enter(person, shown(made[1], "new-password")) == 303
    home = f"home/{found[1]}/"
    assert f"<bdi>{home}</bdi>" in eve.page("/console/account")
    assert 'id="usage"' not in eve.page("/console/")
    assert f'href="{LIST}?prefix={home}"' in eve.page(LIST)
    assert 'action="/u/' in eve.page(f"{LIST}upload?prefix={home}")
    assert eve.request("GET", f"{LIST}upload?prefix=home/")[0] == 403
    assert owner.send(f"{group}/delete", confirmed="yes") == (303, "/console/groups")
    assert "deleted a group" in owner.page("/console/audit?kind=groups")
