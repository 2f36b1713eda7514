"""nginx's maps that find the client's address in a header field that proxies wrote (ADR 66).

nginx's module realip does not read `Forwarded` (RFC 7239), and it reads no field on a connection
with a PROXY line. So these maps read the elements of the field one by one, from the right. The maps
continue as long as the address to the right is that of a trusted proxy. A client may have written
all elements that are further to the left.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import NamedTuple

#: The largest number of proxies in a row.
MOST_HOPS = 5
_V4 = r"(?<wharf_{kind}_{n}>[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}})"
_V6 = r"(?<wharf_{kind}_{n}>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)"
_PORT = r"(?::[0-9]+)?"


class _Grammar(NamedTuple):
    """The grammar of one field, as patterns for nginx with `{n}` for the number of the element.

    Attributes:
        field: nginx's variable of the field.
        rest: matches the text before the last element.
        addresses: pairs of a name and a pattern; each matches the last element with one notation of
            an address.
    """

    field: str
    rest: str
    addresses: tuple[tuple[str, str], ...]


_BEGIN, _END = r"(?:^|,)[ \t]*", r"[ \t]*$"
# The pattern allows no backslash in a pair: read from the right, an escaped quote looks like a
# quote. Without backslashes a client's open quote cannot swallow the element of a proxy, because
# a proxy writes an even number of quotes.
_ANY_PAIR = r"[^\s,;=\"\x5c]++=(?:\"[^\"\x5c]*+\"|[^\s,;\"\x5c]*+)"
_PAIR, _NEXT = rf"(?!for=){_ANY_PAIR}", r"[ \t]*;[ \t]*"
_BEFORE, _AFTER = rf"(?:{_PAIR}{_NEXT})*+for=", rf"(?:{_NEXT}{_PAIR})*+"

_X_FORWARDED_FOR = _Grammar(
    "$http_x_forwarded_for",
    r"^(?<wharf_before_{n}>.*),[^,]*$",
    (
        ("v4", _BEGIN + r"(?:::ffff:)?" + _V4 + _PORT + _END),
        ("v6", _BEGIN + _V6 + _END),
        ("b6", _BEGIN + r"\[" + _V6 + r"\]" + _PORT + _END),
    ),
)
_FORWARDED = _Grammar(
    "$http_forwarded",
    rf"^(?<wharf_before_{{n}}>.*),[ \t]*{_ANY_PAIR}(?:{_NEXT}{_ANY_PAIR})*+{_END}",
    (
        ("v4", _BEGIN + _BEFORE + _V4 + _PORT + _AFTER + _END),
        ("q4", _BEGIN + _BEFORE + r"\"" + _V4 + _PORT + r"\"" + _AFTER + _END),
        ("q6", _BEGIN + _BEFORE + r"\"\[" + _V6 + r"\]" + _PORT + r"\"" + _AFTER + _END),
    ),
)

_PEER = """\
# The first gateway has found the address of a request that another gateway forwards.
map $server_name $wharf_peer {
    default $remote_addr;
    wharf-replica-door "";
}
"""


def hops(trusted: Iterable[IPv4Network | IPv6Network], *, standard: bool) -> str:
    """Return nginx's configuration with the maps that define `$wharf_address`.

    Args:
        trusted: the proxies' networks.
        standard: whether the field is `Forwarded`, instead of `X-Forwarded-For`.
    """
    grammar = _FORWARDED if standard else _X_FORWARDED_FOR
    lines = _networks(trusted)
    parts = [_PEER, _is_proxy("$wharf_peer", 0, lines)]
    parts.append(f'map "" $wharf_before_0_all {{\n    default {grammar.field};\n}}\n')
    parts.append(_choice("$wharf_address", 0, "$remote_addr", "$remote_addr"))
    for n in range(1, MOST_HOPS + 1):
        source = f"$wharf_before_{n - 1}_all"
        rest = f'"~*{grammar.rest.format(n=n)}" $wharf_before_{n};'
        parts.append(_map(source, f"$wharf_hop_{n}", [*_address_lines(grammar, n)]))
        parts.append(_is_proxy(f"$wharf_hop_{n}", n, lines))
        parts.append(_map(source, f"$wharf_before_{n}_all", [rest]))
        before = f"$wharf_hop_{n - 1}" if n > 1 else "$remote_addr"
        parts.append(_choice(f"$wharf_from_{n}", n, f"$wharf_hop_{n}", before))
    return "".join(parts)


def _networks(trusted: Iterable[IPv4Network | IPv6Network]) -> list[str]:
    trusted = list(trusted)
    v4 = collapse_addresses(one for one in trusted if isinstance(one, IPv4Network))
    v6 = collapse_addresses(one for one in trusted if isinstance(one, IPv6Network))
    return [f"{network} proxy;" for network in (*v4, *v6)]


def _is_proxy(address: str, n: int, lines: list[str]) -> str:
    # nginx treats a text that is not an address as 255.255.255.255.
    return _block(f"geo {address} $wharf_kind_{n}", ["default client;", *lines, _NONE])


_NONE = "255.255.255.255 none;"


def _choice(name: str, n: int, found: str, before: str) -> str:
    """Return the map that continues with the next element when this address is a proxy's."""
    beyond = f"$wharf_from_{n + 1}" if n < MOST_HOPS else found
    lines = [f"default {found};", f"none {before};", f"proxy {beyond};"]
    return _block(f"map $wharf_kind_{n} {name}", lines)


def _address_lines(grammar: _Grammar, n: int) -> Iterable[str]:
    for kind, pattern in grammar.addresses:
        yield f'"~*{pattern.format(kind=kind, n=n)}" $wharf_{kind}_{n};'


def _map(source: str, name: str, lines: list[str]) -> str:
    return _block(f"map {source} {name}", ['default "";', *lines])


def _block(begin: str, lines: list[str]) -> str:
    return f"{begin} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"
