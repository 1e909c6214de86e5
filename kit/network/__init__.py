"""Connections to addresses that somebody else has named: checked first, then made to what was checked."""

from kit.network.addresses import IPAddress, is_public
from kit.network.lookups import Lookups
from kit.network.reach import NotThere, Resolve, host_of, look_up, open_transport, port_of, reach, resolver

__all__ = [
    "IPAddress",
    "Lookups",
    "NotThere",
    "Resolve",
    "host_of",
    "is_public",
    "look_up",
    "open_transport",
    "port_of",
    "reach",
    "resolver",
]
