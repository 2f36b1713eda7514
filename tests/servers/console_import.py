"""The pages of an import of people: helpers that send a file and read a page."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from werkzeug.test import TestResponse

from tests.servers.console import Browser
from tests.servers.wharf.multipart_body import CONTENT_TYPE, field_part, file_part, multipart_body

PAGE, RESULT = "/console/members/import", "/console/members/import/result"
FILE = "username,display_name,role\nada@example.org,Ada,editor\neve,,\n"


def send(
    browser: Browser, content: bytes | str, name: str = "people.csv", **form: Any
) -> TestResponse:
    """Send the form of the import with this file and return the response."""
    data = content.encode() if isinstance(content, str) else content
    fields = {"csrf_token": browser.token(), "role": "viewer", **form}
    parts = [field_part(field, value) for field, value in fields.items()]
    # The body is built here, because Werkzeug's test client leaves a file open for a large body.
    body = multipart_body(*parts, file_part(name, data))
    return browser.client.post(PAGE, data=body, content_type=CONTENT_TYPE)


def hidden(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return unescape(found[1])


def rows(page: str, caption: str) -> list[list[str]]:
    """Return the cells of the table with this caption, by row and without the table's head."""
    table = page[page.index(f"<caption>{caption}") :].partition("</table>")[0]
    body = table.partition("<tbody>")[2]
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")]
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells if row
    ]
