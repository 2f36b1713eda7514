"""Names of files and fields as senders encode them into the header of a part."""

from __future__ import annotations

import asyncio
import base64
import io
import quopri

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.uploads.multipart import part_headers, sent_names

NAMES = st.text(st.characters(codec="utf-8"), max_size=40)


def filename(value: str) -> str | None:
    """The file name in a part whose `filename` is this quoted value."""
    block = f'Content-Disposition: form-data; name="f"; filename="{value}"'.encode()
    return part_headers.parse(block, 8).filename


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("=?UTF-8?Q?=E5=A0=B1=E5=91=8A.txt?=", "報告.txt"),
        ("=?utf-8?q?a_b=5Fc.txt?=", "a b_c.txt"),
        ("=?UTF-8?B?5aCx5ZGKLnR4dA==?=", "報告.txt"),
        ("=?UTF-8?B?5aCx5ZGKLnR4dA?=", "報告.txt"),
        # Its base64 has slashes, which are not those of a path.
        ("=?utf-8?B?w7/Dv8O/Pz8/LmpwZw==?=", "ÿÿÿ???.jpg"),
        ("=?utf-8*de?Q?=C3=BC.txt?=", "ü.txt"),
        ("=?ISO-8859-1?Q?caf=E9.txt?=", "café.txt"),
        ("=?windows-1252?Q?=80.txt?=", "€.txt"),
        ("=?KOI8-R?B?8NLJ18XULnR4dA==?=", "Привет.txt"),
        ("=?gb2312?B?xOO6wy50eHQ=?=", "你好.txt"),
        ("=?shift_jis?B?k/qWey50eHQ=?=", "日本.txt"),
        ("=?ISO-2022-JP?B?GyRCRnxLXBsoQi50eHQ=?=", "日本.txt"),
        ("=?euc-kr?B?x9GxuS50eHQ=?=", "한국.txt"),
        # Blanks between two words only part them, and one may end within a character.
        ("=?UTF-8?Q?=E5=A0=B1=E5=91?= =?UTF-8?Q?=8A.txt?=", "報告.txt"),
        ("=?UTF-8?B?5aCx5Q==?= \t=?utf-8?B?kYo=?=", "報告"),
        ("=?UTF-8?Q?=C3=A9?= =?KOI8-R?Q?=F0?=", "éП"),
        ("=?utf-8?Q?C:=5Cx=5Cy/z.txt?=", "C:\\x\\y/z.txt"),
    ],
)
def test_encoded_words(sent: str, meant: str) -> None:
    """A name that is encoded words of RFC 2047 as a whole is decoded, before anything is cut."""
    assert filename(sent) == meant


@pytest.mark.parametrize(
    "name",
    [
        "=?UTF-8?Q?=E5=A0=B1?=.txt",
        "a =?UTF-8?Q?b?=",
        "=?UTF-8?Q?=FF=FE?=",
        "=?UTF-8?B?/w==?=",
        "=?UTF-8?B?a?=",
        "=?UTF-8?B?a b?=",
        "=?UTF-8?B?ab=c?=",
        "=?UTF-8?Q?=G0?=",
        "=?UTF-8?Q?a b?=",
        "=?UTF-8?X?ab?=",
        "=?UTF-8?Q??=",
        "=?no-such-charset?Q?a?=",
        "=?utf-7?Q?+ACI-?=",
        "=?rot13?Q?nop?=",
        "=?unicode_escape?Q?=5Cn?=",
        "=?idna?Q?a?=",
        "=?UTF-8?Q?a",
        "=?=",
        "?=",
    ],
)
def test_what_is_no_encoded_word_stays(name: str) -> None:
    """A name with other text, wrong bytes or a charset that nobody writes names in is as it is."""
    assert sent_names.read(name) == name


CHARSETS = [
    *("utf-8", "utf8", "us-ascii", "tis-620", "koi8-r", "koi8-u", "gb2312", "gbk", "gb18030"),
    *("big5", "shift_jis", "euc-jp", "euc-kr", "ks_c_5601-1987", "iso-2022-jp"),
    *(f"iso-8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)),
    *(f"windows-125{number}" for number in range(9)),
]


@pytest.mark.parametrize("charset", CHARSETS)
def test_every_charset_is_one_of_pythons(charset: str) -> None:
    """A charset that names may be in is known to Python, in either case."""
    for spelling in (charset, charset.upper()):
        assert sent_names.read(f"=?{spelling}?Q?a=20b?=") == "a b"


@given(NAMES.filter(bool), st.integers(1, 9))
def test_encoded_words_round_trip(name: str, size: int) -> None:
    """Whatever a name holds, its encoded words give it back, however they are cut."""
    raw = name.encode()
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
    in_base64 = " ".join(f"=?utf-8?B?{base64.b64encode(chunk).decode()}?=" for chunk in chunks)
    assert sent_names.read(in_base64) == name
    hexadecimal = " ".join(
        f"=?UTF-8?Q?{''.join(f'={byte:02X}' for byte in chunk)}?=" for chunk in chunks
    )
    assert sent_names.read(hexadecimal) == name


@given(st.text('=?_BbQq/+ =0Aaé"%utf-8.', max_size=40))
def test_any_name_is_read(name: str) -> None:
    """No name raises, and one that has no sign of an encoding is unchanged."""
    found = sent_names.read(name)
    if "=?" not in name and "%" not in name:
        assert found == name


def test_many_words_are_read_in_linear_time() -> None:
    """A header full of words, or of what only begins as one, costs its length."""
    many = " ".join(["=?utf-8?Q?a?="] * 1000)
    assert sent_names.read(many) == "a" * 1000
    for hostile in ("=?" * 8000, "=?utf-8?B?" + "A" * 16000, "=?utf-8?Q?" + "=A" * 8000):
        assert sent_names.read(hostile) == hostile


async def written(form: aiohttp.FormData) -> tuple[bytes, bytes]:
    """A form as aiohttp writes it: its boundary, and the header lines of its first part."""
    payload = form()
    body = await payload.as_bytes()
    boundary = body.partition(b"\r\n")[0].removeprefix(b"--")
    return boundary, body.partition(b"\r\n")[2].partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("quote_fields", [True, False])
@pytest.mark.parametrize("field", ["file", "größe"])
@pytest.mark.parametrize(
    "name", ["my file.txt", "100%20.txt", "日本.txt", 'a"b\\c.txt', "a%22b", "a+b&c=d;e", "~plain"]
)
def test_aiohttp(name: str, field: str, *, quote_fields: bool) -> None:
    """aiohttp's names come out as they were given to it, whatever it does to them."""
    form = aiohttp.FormData(quote_fields=quote_fields)
    form.add_field(field, io.BytesIO(b"x"), filename=name)
    boundary, block = asyncio.run(written(form))
    found = part_headers.parse(block, 8, boundary)
    if quote_fields or name not in {"100%20.txt", "a%22b"}:
        assert (found.name, found.filename) == (field, name)


def test_percents_of_others_stay() -> None:
    """A browser, requests or Dart, whose "100%20.txt" is the name, is not taken for aiohttp."""
    disposition = b'Content-Disposition: form-data; name="f"; filename="100%20.txt"'
    kind, hexadecimal = b"Content-Type: text/plain", b"0123456789abcdef" * 2
    for block, boundary in (
        (disposition + b"\r\n" + kind, hexadecimal),
        (disposition, hexadecimal),
        (kind + b"\r\n" + disposition, b"dart-http-boundary-abc"),
        (kind + b"\r\n" + disposition, b"----WebKitFormBoundary0123456789abcdef"),
    ):
        assert part_headers.parse(block, 8, boundary).filename == "100%20.txt"


@pytest.mark.parametrize("name", ["a b%20", "%2", "%ff", "%zz", "é%20", "a%2fb"])
def test_what_aiohttp_does_not_write_stays(name: str) -> None:
    """Text that aiohttp would have encoded otherwise is not decoded."""
    assert sent_names.read(name, percent_encoded=True) == name


def test_net_sends_both() -> None:
    """.NET writes the name twice, and the extended form is the one without loss."""
    block = (
        b'Content-Type: text/plain\r\nContent-Disposition: form-data; name="=?utf-8?B?w6k=?="; '
        b"filename=\"=?utf-8?B?5pel5pysLnR4dA==?=\"; filename*=utf-8''%E6%97%A5%E6%9C%AC.txt"
    )
    found = part_headers.parse(block, 8)
    assert (found.name, found.filename) == ("é", "日本.txt")


def test_quoted_printable_of_python() -> None:
    """What Python's own encoder writes is read."""
    encoded = quopri.encodestring("日本 a_b.txt".encode(), quotetabs=True, header=True).decode()
    assert sent_names.read(f"=?utf-8?q?{encoded}?=") == "日本 a_b.txt"
