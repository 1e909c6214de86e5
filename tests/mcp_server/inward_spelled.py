"""Addresses of this machine and its networks, in the spellings that some reader of URLs takes for them."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import product
from typing import Final

__all__ = ["NAMES", "PRIVATE", "spelled"]

PRIVATE: Final = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.0.192", "168.63.129.16"),
)
NAMES: Final = (
    *("localhost", "localhost.", "LOCALHOST", "localhost.localdomain", "ip6-loopback", "broadcasthost"),
    *(
        "metadata",
        "metadata.google.internal",
        "metadata.google.internal.",
        "instance-data",
        "169.254.169.254.nip.test",
    ),
    *(
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "host.docker.internal",
        "db",
        "postgres",
    ),
    *(
        "gateway.docker.internal",
        "host.containers.internal",
        "router",
        "wpad",
        "printer.local",
        "nas.lan",
        "x.home.arpa",
    ),
    *(
        "127.0.0.1.nip.test",
        "127-0-0-1.sslip.test",
        "7f000001.rebind.test",
        "localtest.test",
        "a.b.c.lvh.test",
    ),
    *("xn--localhost-9d6f.test", "_services._dns-sd.local", "1.0.0.127.in-addr.arpa", "a" * 63 + ".test"),
)
_USERS: Final = (
    *(
        "a@",
        "a:b@",
        ":@",
        "@",
        "example.org@",
        "example.org:80@",
        "example.org%40",
        "example.org%2f@",
        "%00@",
    ),
    *(
        "example.org\\@",
        "example.org/@",
        "example.org#@",
        "example.org?@",
        "a@example.org@",
        "[::1]@",
        "http://@",
    ),
)
_AFTER: Final = (
    "#@example.org/",
    "?@example.org/",
    "/@example.org/",
    "\\@example.org/",
    ";@example.org/",
    "%23@example.org/",
)
_DIGITS: Final = (
    "\uff10",
    "\u0660",
    "\u06f0",
    "\u0966",
    "\U0001d7ce",
    "\U0001d7d8",
    "\U0001d7e2",
    "\U0001d7f6",
)
"""The zero of each kind; the other nine follow it."""
_STOPS: Final = ("\u3002", "\uff0e", "\uff61", "\u2024", "\u00b7", "%2e", "%252e", "\u200b.")
_SCHEMES: Final = (
    *(
        "file",
        "ftp",
        "ftps",
        "sftp",
        "tftp",
        "gopher",
        "dict",
        "ldap",
        "ldaps",
        "ws",
        "wss",
        "data",
        "javascript",
    ),
    *(
        "jar:http",
        "view-source:http",
        "http+unix",
        "unix",
        "netdoc",
        "php",
        "phar",
        "smb",
        "nfs",
        "ssh",
        "telnet",
    ),
    *(
        "httpx",
        "http:http",
        "url:http",
        "feed:http",
        "blob:http",
        "about",
        "mailto",
        "\uff48ttp",
        "ht\u00adtp",
        "hTTp:",
    ),
)


def spelled(port: int) -> Iterator[str]:
    """URLs that all aim inwards, with `port` wherever they can carry one; no two are the same."""
    yield from dict.fromkeys(_all(port))


def _all(port: int) -> Iterator[str]:
    for address in map(IPv4Address, PRIVATE):
        for host in (*_numbers(address), *_inside_ipv6(address)):
            yield f"http://{host}:{port}/"
    for host, scheme in product(_in_unicode("127.0.0.1"), ("http", "https")):
        yield f"{scheme}://{host}:{port}/"
    for name in NAMES:
        yield f"http://{name}:{port}/"
    local = f"127.0.0.1:{port}"
    yield from (f"http://{user}{local}/" for user in _USERS)
    yield from (f"http://{local}{after}" for after in _AFTER)
    yield from (f"{scheme}://{local}/" for scheme in _SCHEMES)
    for number in (
        "0",
        "00",
        "65536",
        "-1",
        "+80",
        " 80",
        "80 ",
        "8_0",
        "0x50",
        "\uff18\uff10",
        "8\u00a00",
        str(port + 65536),
    ):
        yield f"http://127.0.0.1:{number}/"


def _numbers(address: IPv4Address) -> Iterator[str]:
    """As inet_aton reads them: one to four numbers, each decimal, octal or hexadecimal, the last the rest."""
    whole, (a, b, c, d) = int(address), address.packed
    yield from (str(address), f"{address}.", f"{address}..", f"{a:03}.{b:03}.{c:03}.{d:03}", f"[{address}]")
    yield from (
        f"{whole}",
        f"0x{whole:x}",
        f"0X{whole:08X}",
        f"0{whole:o}",
        f"0x{0:08x}{whole:08x}",
        f"{whole}.",
    )
    yield from (f"{whole + 2**32}", f"-{2**32 - whole}", f"0x1{whole:08x}")
    yield from (f"{a}.{whole & 0xFFFFFF}", f"0x{a:x}.0x{whole & 0xFFFFFF:x}", f"{a}.{b}.{whole & 0xFFFF}")
    yield from (
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0x{a:02x}.{b}.0{c:o}.{d}",
    )
    yield from (
        f"{a:0>8o}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.0x{d:x}",
        f"{a + 256}.{b}.{c}.{d}",
        f"{a}%2e{b}%2e{c}%2e{d}",
    )


def _inside_ipv6(address: IPv4Address) -> Iterator[str]:
    """Mapped, compatible, translated (RFC 2765, 6052, 8215), 6to4, Teredo, ISATAP."""
    high, low = int(address) >> 16, int(address) & 0xFFFF
    pair, other = f"{high:x}:{low:x}", f"{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}"
    for host in (
        *(f"::ffff:{address}", f"::ffff:{pair}", f"::FFFF:{pair.upper()}", f"0:0:0:0:0:ffff:{address}"),
        *(
            f"0000:0000:0000:0000:0000:ffff:{high:04x}:{low:04x}",
            f"::{address}",
            f"::ffff:0:{address}",
            f"::1:{pair}",
        ),
        *(
            f"64:ff9b::{address}",
            f"64:ff9b::{pair}",
            f"64:ff9b:1::{address}",
            f"64:ff9b:1:ffff:ffff:ffff:{pair}",
        ),
        *(f"2002:{pair}::", f"2002:{pair}::1", f"2001:0:{pair}::", f"2001:0:4136:e378:8000:63bf:{other}"),
        *(f"fe80::5efe:{address}", f"fe80::200:5efe:{address}", f"fd00::{address}", f"::ffff:{address}%25lo"),
    ):
        yield f"[{host}]"


def _in_unicode(address: str) -> Iterator[str]:
    for zero in _DIGITS:
        digits = str.maketrans({str(digit): chr(ord(zero) + digit) for digit in range(10)})
        yield address.translate(digits)
        yield "127." + address[4:].translate(digits)
    for stop in _STOPS:
        yield address.replace(".", stop)
