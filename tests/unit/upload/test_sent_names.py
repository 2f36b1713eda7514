"""Tests of the names of files and fields as senders encode them in a part's header."""

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
    """Return the file name of a part whose `filename` is this quoted value."""
    block = f'Content-Disposition: form-data; name="f"; filename="{value}"'.encode()
    return part_headers.parse(block, 8).filename


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("=?UTF-8?Q?=E5=A0=B1=E5=91=8A.txt?=", "報告.txt"),
        ("=?utf-8?q?a_b=5Fc.txt?=", "a b_c.txt"),
        ("=?UTF-8?B?5aCx5ZGKLnR4dA==?=", "報告.txt"),
        ("=?UTF-8?B?5aCx5ZGKLnR4dA?=", "報告.txt"),
        # The base64 text contains slashes, which are not separators of a path.
        ("=?utf-8?B?w7/Dv8O/Pz8/LmpwZw==?=", "ÿÿÿ???.jpg"),
        ("=?utf-8*de?Q?=C3=BC.txt?=", "ü.txt"),
        ("=?ISO-8859-1?Q?caf=E9.txt?=", "café.txt"),
        ("=?windows-1252?Q?=80.txt?=", "€.txt"),
        ("=?KOI8-R?B?8NLJ18XULnR4dA==?=", "Привет.txt"),
        ("=?gb2312?B?xOO6wy50eHQ=?=", "你好.txt"),
        ("=?shift_jis?B?k/qWey50eHQ=?=", "日本.txt"),
        ("=?ISO-2022-JP?B?GyRCRnxLXBsoQi50eHQ=?=", "日本.txt"),
        ("=?euc-kr?B?x9GxuS50eHQ=?=", "한국.txt"),
        # Spaces between two words are dropped, and a character may be split between words.
        ("=?UTF-8?Q?=E5=A0=B1=E5=91?= =?UTF-8?Q?=8A.txt?=", "報告.txt"),
        ("=?UTF-8?B?5aCx5Q==?= \t=?utf-8?B?kYo=?=", "報告"),
        ("=?UTF-8?Q?=C3=A9?= =?KOI8-R?Q?=F0?=", "éП"),
        ("=?utf-8?Q?C:=5Cx=5Cy/z.txt?=", "C:\\x\\y/z.txt"),
    ],
)
def test_encoded_words(sent: str, meant: str) -> None:
    """A name that consists of encoded words (RFC 2047) is decoded before any path is cut off."""
    assert filename(sent) == meant


@pytest.mark.parametrize(
    "name",
    [
        "=?UTF-8?Q?=E5=A0=B1?=.txt",
        "a =?UTF-8?Q?b?=",
        "=?UTF-8?X?ab?=",
        "=?UTF-8?Q?a",
        "=?UTF-8?Q?a?b?=",
        "=??Q?a?=",
        "=?=",
        "?=",
    ],
)
def test_what_is_no_encoded_word_stays(name: str) -> None:
    """A name with other text, or of another form, is not decoded."""
    assert sent_names.read(name) == name


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("=?UTF-8?Q?=FF=FE?=", "its bytes are not of the charset that it names"),
        ("=?UTF-8?B?/w==?=", "its bytes are not of the charset that it names"),
        ("=?UTF-8?Q?a?= =?UTF-8?B?/w==?=", "its bytes are not of the charset that it names"),
        ("=?windows-1252?Q?=81?=", "its bytes are not of the charset that it names"),
        ("=?UTF-8?B?a?=", "it is not base64"),
        ("=?UTF-8?B?a/b c?=", "it is not base64"),
        ("=?UTF-8?B?ab=c?=", "it is not base64"),
        ("=?UTF-8?B?\xe9?=", "it is not base64"),
        ("=?UTF-8?Q?=G0?=", "it is not in the Q encoding"),
        ("=?UTF-8?Q?a b?=", "it is not in the Q encoding"),
        ("=?UTF-8?Q??=", "it is empty"),
        ("=?no-such-charset?B?a/bc?=", 'the charset "no-such-charset" is not known'),
        ("=?utf-7?Q?+ACI-?=", 'the charset "utf-7" is not known'),
        ("=?rot13?Q?nop?=", 'the charset "rot13" is not known'),
        ("=?unicode_escape?Q?=5Cn?=", 'the charset "unicode_escape" is not known'),
        ("=?idna?Q?a?=", 'the charset "idna" is not known'),
        ("=?iso-2022-kr?Q?a?=", 'the charset "iso-2022-kr" is not known'),
        ("=?x-user-defined?Q?=80?=", 'the charset "x-user-defined" is not known'),
        ("=?*de?Q?a?=", 'the charset "" is not known'),
    ],
)
def test_what_cannot_be_decoded_is_refused(name: str, fault: str) -> None:
    """An undecodable encoded word is refused, because its base64 would be cut at a slash."""
    for parameter, before in (("name", 'filename="g"'), ("filename", 'name="f"')):
        block = f'Content-Disposition: form-data; {before}; {parameter}="{name}"'
        with pytest.raises(part_headers.MalformedMultipart) as caught:
            part_headers.parse(block.encode(), 8)
        assert str(caught.value) == (
            f"A part's {parameter} is an encoded word (RFC 2047), but {fault}; send it in UTF-8."
        )


# The names of charsets that senders use, each with the codec that reads the charset, and a file
# name in the charset.
CHARSETS = [
    *((label, "utf-8", "日本 ü") for label in ("utf-8", "utf8", "unicode-1-1-utf-8")),
    *((label, "gb18030", "朱镕基 €") for label in ("gb2312", "gbk", "x-gbk", "cp936", "gb18030")),
    *((label, "cp932", "①髙橋") for label in ("shift_jis", "x-sjis", "windows-31j", "cp932")),
    *((label, "cp932", "①髙橋") for label in ("ms932", "shift-jis", "ms_kanji", "windows-932")),
    *((label, "cp949", "똠방각하") for label in ("euc-kr", "ks_c_5601-1987", "cp949", "ms949")),
    *((label, "cp949", "똠방각하") for label in ("windows-949", "x-windows-949", "korean")),
    *((label, "big5hkscs", "蘋果嘅") for label in ("big5", "big5-hkscs", "cp950", "x-x-big5")),
    *((label, "cp1252", "café €") for label in ("us-ascii", "ascii", "latin1", "iso-8859-1")),
    *((label, "cp1252", "café €") for label in ("cp1252", "windows-1252", "iso8859-1", "l1")),
    *((label, "cp1254", "ğ €") for label in ("iso-8859-9", "latin5", "windows-1254")),
    *((label, "cp874", "ไทย €") for label in ("tis-620", "iso-8859-11", "windows-874")),
    *((label, "mac-roman", "naïve") for label in ("macintosh", "x-mac-roman", "mac")),
    *((label, "iso-8859-8", "שלום") for label in ("iso-8859-8", "iso-8859-8-i", "logical")),
    *((label, "koi8-r", "Привет") for label in ("koi8-r", "koi8", "koi")),
    *((label, "koi8-u", "Їжак") for label in ("koi8-u", "koi8-ru")),
    *((label, "cp866", "Привет") for label in ("ibm866", "cp866")),
    *((label, "euc-jp", "日本") for label in ("euc-jp", "x-euc-jp")),
    ("iso-2022-jp", "iso2022_jp_ext", "日本ｱ"),
    ("x-mac-cyrillic", "mac-cyrillic", "Привет"),
    *((f"windows-{number}", f"cp{number}", "a€") for number in (1250, 1251, *range(1253, 1259))),
    *((f"iso-8859-{n}", f"iso-8859-{n}", "a\xa0b") for n in (2, 3, 4, 5, 6, 7, 10, 13, 14, 15, 16)),
]


@pytest.mark.parametrize(("label", "codec", "name"), CHARSETS)
def test_charsets(label: str, codec: str, name: str) -> None:
    """A charset is recognized by each of its usual names, and decoded as browsers decode it."""
    encoded = base64.b64encode(name.encode(codec)).decode()
    for spelling in (label, label.upper()):
        assert sent_names.read(f"=?{spelling}?B?{encoded}?=") == name


@given(NAMES.filter(bool), st.integers(1, 9))
def test_encoded_words_round_trip(name: str, size: int) -> None:
    """Encoded words decode to the original name, wherever they are split."""
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
    """Any name is decoded or refused, and a name without a sign of an encoding is unchanged."""
    try:
        found = sent_names.read(name)
    except sent_names.UndecodableName:
        assert name.startswith("=?")
        assert name.endswith("?=")
        return
    if "=?" not in name and "%" not in name:
        assert found == name


def test_many_words() -> None:
    """A header full of encoded words is decoded, and one full of similar texts is unchanged."""
    many = " ".join(["=?utf-8?Q?a?="] * 1000)
    assert sent_names.read(many) == "a" * 1000
    for hostile in ("=?" * 8000, "=?utf-8?B?" + "A" * 16000, "=?utf-8?Q?" + "=A" * 8000):
        assert sent_names.read(hostile) == hostile


async def written(form: aiohttp.FormData) -> tuple[bytes, bytes]:
    """Return a form as aiohttp writes it: the boundary, and its first part's header lines."""
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
    """Wharf reads the name that a program passed to aiohttp, unless its escapes are ambiguous."""
    form = aiohttp.FormData(quote_fields=quote_fields)
    form.add_field(field, io.BytesIO(b"x"), filename=name)
    boundary, block = asyncio.run(written(form))
    found = part_headers.parse(block, 8, boundary)
    if quote_fields or name not in {"100%20.txt", "a%22b"}:
        assert (found.name, found.filename) == (field, name)


def test_percents_of_others_stay() -> None:
    """The name "100%20.txt" from a browser, requests or Dart is not decoded as aiohttp's."""
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
    """Text that aiohttp would have encoded in another way is not decoded."""
    assert sent_names.read(name, percent_encoded=True) == name


def test_net_sends_both() -> None:
    """.NET sends the name in two forms, and the extended form, which loses nothing, is used."""
    block = (
        b'Content-Type: text/plain\r\nContent-Disposition: form-data; name="=?utf-8?B?w6k=?="; '
        b"filename=\"=?utf-8?B?5pel5pysLnR4dA==?=\"; filename*=utf-8''%E6%97%A5%E6%9C%AC.txt"
    )
    found = part_headers.parse(block, 8)
    assert (found.name, found.filename) == ("é", "日本.txt")


def test_quoted_printable_of_python() -> None:
    """Encoded words of Python's own encoder are decoded."""
    encoded = quopri.encodestring("日本 a_b.txt".encode(), quotetabs=True, header=True).decode()
    assert sent_names.read(f"=?utf-8?q?{encoded}?=") == "日本 a_b.txt"
