"""The proxies from which the gateway takes the client's address (ADR 66)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from wharf_gateway import forwarded, nginx_program
from wharf_gateway.run_settings import (
    FORWARDED,
    PROXY,
    PROXY_HEADER,
    X_FORWARDED_FOR,
    is_behind_front_door,
)
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRUSTED_PROXIES = Setting(
    "WHARF_TRUSTED_PROXIES",
    "",
    "",
    "IP addresses and networks (`10.1.0.0/16`), separated by commas, of proxies and balancers "
    "in front of the gateway. The gateway takes the client's address only from these proxies, "
    "in the form of `WHARF_PROXY_HEADER`. A proxy has no separate limit on connections",
)
#: The setting's name in earlier releases, which did not take addresses from proxies.
OLD_NAME = Setting("WHARF_PROXY_ADDRESSES", "", "", "Proxies without a limit on connections")
PROXY_SETTINGS = (TRUSTED_PROXIES, PROXY_HEADER)
# IPv4 addresses in IPv6 notation. nginx compares such addresses only with networks of IPv4.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
# An older nginx reads only the first of several fields of one name, and a client can send this
# first field.
_FIRST_NGINX_WITH_WHOLE_FIELDS = (1, 23, 0)


def networks(environ: Mapping[str, str], setting: Setting = TRUSTED_PROXIES) -> list[Network]:
    """Return the networks that a setting names.

    Raises:
        CannotRunError: a word is not a network, or the network contains all addresses.
    """
    found: list[Network] = []
    for word in filter(None, map(str.strip, setting.read(environ).split(","))):
        try:
            network = _plain(ipaddress.ip_network(word))
        except ValueError as error:
            raise CannotRunError(
                f"{setting.name}={word!r}: {error}; allowed are IP addresses and networks, such "
                "as 10.1.0.0/16"
            ) from None
        if not network.prefixlen:
            raise CannotRunError(
                f"{setting.name}={word!r}: the gateway would trust every client; name only the "
                "addresses of the proxies"
            )
        found.append(network)
    return found


def _plain(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        host_bits = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((host_bits, network.prefixlen - _MAPPED.prefixlen))
    return network


def without_share(environ: Mapping[str, str]) -> list[Network]:
    """Return the networks of addresses without a limit on connections.

    Raises:
        CannotRunError: a setting is not a list of networks.
    """
    return networks(environ) + networks(environ, OLD_NAME)


def advice(environ: Mapping[str, str]) -> str:
    """Return a warning when the operator still uses the old name; otherwise an empty text."""
    if not OLD_NAME.read(environ):
        return ""
    return (
        f"{OLD_NAME.name} works as before in this release and will be removed in the next: its "
        "proxies have no limit on connections, and the gateway does not take clients' addresses "
        f"from them; set {TRUSTED_PROXIES.name} instead (docs/operating.md)"
    )


def template_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values for trusted proxies in nginx's templates.

    Raises:
        CannotRunError: a setting is wrong, or this version of nginx does not support it.
    """
    header, trusted = PROXY_HEADER.read(environ), networks(environ)
    _check(header, trusted, environ)
    values = {
        "WHARF_LISTEN_PROXY": "",
        "WHARF_PROXY_TRUST": "",
        "WHARF_CLIENT_ADDRESS": "client_address",
        "WHARF_FORWARDED_HOPS": "",
    }
    if not trusted or (header == PROXY and is_behind_front_door(environ)):
        # The balancer reads the proxies' PROXY lines and writes the client's address into its line.
        return values
    if header == FORWARDED or is_behind_front_door(environ):
        values["WHARF_CLIENT_ADDRESS"] = "forwarded_address"
        values["WHARF_FORWARDED_HOPS"] = forwarded.hops(trusted, standard=header == FORWARDED)
        return values
    if header == PROXY:
        values["WHARF_LISTEN_PROXY"] = " proxy_protocol"
    values["WHARF_PROXY_TRUST"] = real_ip(trusted, header)
    return values


def real_ip(trusted: list[Network], header: str) -> str:
    """Return the directives of nginx's module realip for these proxies."""
    lines = [f"set_real_ip_from {network};" for network in trusted]
    name = "proxy_protocol" if header == PROXY else X_FORWARDED_FOR
    return "\n".join([*lines, f"real_ip_header {name};", "real_ip_recursive on;"])


def _check(header: str, trusted: list[Network], environ: Mapping[str, str]) -> None:
    known = (X_FORWARDED_FOR, FORWARDED, PROXY)
    if header not in known:
        raise CannotRunError(
            f"{PROXY_HEADER.name}={header!r}: allowed is one of {', '.join(known)}"
        )
    if not trusted:
        if header != X_FORWARDED_FOR:
            raise CannotRunError(
                f"{PROXY_HEADER.name}={header}: {TRUSTED_PROXIES.name} names no proxy"
            )
        return
    if header != FORWARDED:
        return
    if nginx_program.version(nginx_program.find(environ)) < _FIRST_NGINX_WITH_WHOLE_FIELDS:
        raise CannotRunError(
            f"{PROXY_HEADER.name}={FORWARDED}: nginx before 1.23 reads only the first of several "
            f"such fields, and a client can send it; let the proxy set {X_FORWARDED_FOR}, or "
            "update nginx"
        )
