"""Addresses that all mean something which only this machine, or its network, can reach."""

from collections.abc import Iterator
from ipaddress import IPv4Address

_LOOPBACK = """
127.0.0.1 127.1 127.0.1 127.8.8.8 127.255.255.254 0 0.0.0.0 0x0 00 2130706433 0x7f000001 0x7F.0.0.1 0x7f.1
0177.0.0.1 0177.1 017700000001 0x0000007f.1 127.0.0x1 127.000.000.001 localhost LocalHost ip6-localhost
[::ffff:127.0.0.1] [::FFFF:7F00:1] [0:0:0:0:0:ffff:7f00:0001] [::ffff:0:0] [::1] [::] [0:0:0:0:0:0:0:1]
"""
_IPV6 = """
[::127.0.0.1] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b::10.0.0.1] [fe80::1]
[64:ff9b:1::127.0.0.1] [64:ff9b:1:ffff::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1] [2002:a9fe:a9fe::1]
[2001:0:7f00:1::] [2001::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [fec0::1] [ff02::1] [ff0e::1] [100::1]
[2001:db8::1] [3fff::1] [2001:2::1] [2001:10::1] [5f00::1] [4000::1] [1::1] [::ffff:169.254.169.254]
"""
_IPV4 = """
10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1 192.168.255.1 169.254.169.254 169.254.170.2
169.254.0.1 100.64.0.1 100.100.100.200 100.127.0.1 192.0.0.1 192.0.0.192 168.63.129.16 198.18.0.1
198.19.255.1 192.0.2.1 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 0.1.2.3
"""
_ODD = r"""
localhost. 127.0.0.1. 127.0.0.1.. 1270.0.1 127.0.0.1.nip.test 256.256.256.256 %31%32%37.0.0.1
127%2e0%2e0%2e1 %6cocalhost 127.0.0.1%00 127.0.0.1%20 %00 local%0ahost [::1%25lo] [::1%lo] [fe80::1%25eth0]
[::1 ::1 [127.0.0.1] [v1.x] [] [::1]x @127.0.0.1 a@127.0.0.1 a:b@127.0.0.1 example.org@127.0.0.1
127.0.0.1@example.org example.org\@127.0.0.1 127.0.0.1\@example.org 127.0.0.1\ \127.0.0.1 - . .. .localhost
a..b _ xn-- xn--a * $ 127.0.0.1;x "127.0.0.1" <127.0.0.1> 127.0.0.1|x {localhost} ^ 127,0,0,1
"""
# Full-width and circled digits, ideographic stops, a soft hyphen, a long s: what normal forms make plain.
_UNICODE = (
    "\uff11\uff12\uff17.0.0.1",
    "\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "\u2460\u2461\u2466.0.0.1",
    "\u24dbocalhost",
    "loc\u00adalhost",
    "local\u200bhost",
    "localho\u017ft",
    "\u0967\u0968\u096d.0.0.1",
    "\ud800",
)
_BLANK = (
    "127.0.0.1\t",
    "\t127.0.0.1",
    "127.0\n.0.1",
    "127.0.0.1\r\nX: y",
    " 127.0.0.1",
    "127.0.0.1 ",
    "\x00",
)
_SCHEMES = ("file", "ftp", "gopher", "dict", "ldap", "ws", "data", "javascript", "jar:http", "http+unix", "")


def aimed_inwards(port: int) -> Iterator[str]:
    """Such addresses, in every spelling, and with `port` wherever they can carry one."""
    long = ("x" * 64, "x." * 130)
    for host in (*_LOOPBACK.split(), *_IPV6.split(), *_ODD.split(), *_UNICODE, *_BLANK, *long):
        yield f"http://{host}:{port}/"
    for host in _IPV4.split():
        yield from (f"http://{host}:{port}/", f"http://{int(IPv4Address(host))}:{port}/")
        yield f"http://{'.'.join(f'0x{byte:x}' for byte in IPv4Address(host).packed)}:{port}/"
    for host in _LOOPBACK.split()[:5]:
        yield f"https://{host}:{port}/"
    yield from _odd_addresses(f"127.0.0.1:{port}")


def _odd_addresses(local: str) -> Iterator[str]:
    for scheme in _SCHEMES:
        yield f"{scheme}://{local}/"
    yield from (
        f"http:{local}",
        f"http:/{local}",
        f"http:///{local}",
        f"http:////{local}",
        f"//{local}",
        local,
    )
    yield from (
        f"http:\\\\{local}/",
        f"\\\\{local}",
        f"http://{local}#@example.org/",
        f"http://{local}?@x.test/",
    )
    yield from (f"http://{local}\\.example.org/", f"http://example.org:80@{local}/", f"ht\ttp://{local}/")
    yield from (f"http://127.0.0.1:{port}/" for port in ("0", "65536", "-1", "x", "8\uff10", "1" * 5000))
    yield from ("file:///etc/passwd", "data:text/plain,x", "http://", "http", "", "\x00", "http://[::1")
