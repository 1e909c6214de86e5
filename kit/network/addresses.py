"""Which addresses are on the public internet."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, TypeAlias

__all__ = ["IPAddress", "is_public"]

IPAddress: TypeAlias = IPv4Address | IPv6Address

_UNICAST: Final = ip_network("2000::/3")
_NAT64: Final = ip_network("64:ff9b::/96")
# The IANA special-purpose registries (RFC 6890), and Azure's host agent at its public-looking address.
_SPECIAL: Final = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)


def is_public(address: IPAddress) -> bool:
    """Whether `address` is global unicast; for IPv4 inside IPv6 (mapped, NAT64) it is the inner one."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address not in _UNICAST:
            return False
        address = inner or address
    return not any(address in network for network in _SPECIAL)
