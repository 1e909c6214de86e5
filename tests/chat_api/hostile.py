"""Bodies that nobody should send, made from one that is right."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["MARK", "bodies_from", "fields_from", "forms_from"]

# A plain word that is the name of a field is told; so no name is the mark alone.
MARK: Final = "zQ7echo"
_DEEP: Final = 100_000
_PLACE: Final = "@here@"

# What the whole body is refused for, whichever field it stands in.
_BROKEN: Final[dict[str, bytes]] = {
    "a number of 5,000 digits": b"9" * 5_000,
    "a line break, raw": f'"{MARK}\n"'.encode(),
    "lists without end": b"[" * _DEEP,
    "no UTF-8": b'"%b\xff\xfe"' % MARK.encode(),
    "half a pair, raw": f'"{MARK}\ud800"'.encode("utf-8", "surrogatepass"),
    "NUL, raw": f'"{MARK}\x00"'.encode(),
    "overlong": b'"%b\xc0\xaf"' % MARK.encode(),
}

# As they stand in JSON, in the place of a field's value.
_VALUES: Final[dict[str, str]] = {
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "a number beyond all": "1e400",
    "a whole number of 64 bits and one more": str(2**64),
    "half a pair": f'"{MARK}\\ud800"',
    "the other half": f'"\\udfff{MARK}"',
    "the halves turned round": f'"\\udc00\\ud800{MARK}"',
    "NUL, escaped": f'"{MARK}\\u0000"',
    "a long string": f'"{MARK * 50_000}"',
    "lists in lists": "[" * 900 + "]" * 900,
    "objects in objects": '{"a":' * 900 + "1" + "}" * 900,
    "a list": f'["<{MARK}>"]',
    "an object": f'{{"<{MARK}>": {{"$ref": "#"}}}}',
    "true": "true",
    "an empty string": '""',
    "a text to be run": f'"{MARK}\'; DROP TABLE users; -- {{{{7*7}}}} ${{jndi:x}} \\r\\nX-{MARK}: 1"',
}


def bodies_from(right: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What is no JSON, no object, or is written in an odd way."""
    text = json.dumps(right)
    yield from (
        ("nothing", b""),
        ("spaces", b" \r\n\t"),
        ("null", b"null"),
        ("a list", b"[]"),
        ("a list of what is right", f"[{text}]".encode()),
        ("a string", f'"{MARK}"'.encode()),
        ("a number", b"17"),
        ("NaN", b"NaN"),
        ("1e400", b"1e400"),
        ("5,000 digits", b"9" * 5_000),
        ("lists without end", b"[" * _DEEP),
        ("lists with ends", b"[" * _DEEP + b"]" * _DEEP),
        ("objects without end", b'{"a":' * _DEEP),
        ("objects with ends", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP),
        ("a byte order mark", b"\xef\xbb\xbf" + text.encode()),
        ("UTF-16", text.encode("utf-16")),
        ("UTF-16 without a mark", text.encode("utf-16-le")),
        ("UTF-32", text.encode("utf-32-be")),
        ("what goes on", f"{text} {MARK}".encode()),
        ("a second one", f"{text}{text}".encode()),
        ("a comma at the end", f"{text[:-1]},}}".encode()),
        ("no end", text[:-1].encode()),
        ("NUL before", b"\x00" + text.encode()),
        ("NUL after", text.encode() + b"\x00"),
        ("single quotes", text.replace('"', "'").encode()),
        ("a form", f"message={MARK}&email={MARK}".encode()),
        ("XML", f'<!DOCTYPE a [<!ENTITY b "{MARK}">]><a>&b;</a>'.encode()),
    )


def fields_from(right: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """One field wrong, and all others right."""
    for number, name in enumerate(names):
        text = json.dumps({**right, name: _PLACE})
        for what, value in _VALUES.items():
            yield f"{name}: {what}", text.replace(f'"{_PLACE}"', value).encode()
        for what, raw in () if number else _BROKEN.items():
            yield f"{name}: {what}", text.encode().replace(f'"{_PLACE}"'.encode(), raw)
        yield f"{name}: twice", text.replace(f'"{_PLACE}"', f'"{MARK}", "{name}": NaN').encode()
    for what, name in (("NUL", "\\u0000"), ("half a pair", "\\ud800"), ("long", MARK * 10_000)):
        text = json.dumps({**right, _PLACE: MARK}).replace(_PLACE, name)
        yield f"a name that is {what}", text.encode()
    yield "a name of an object's own", json.dumps({**right, "__proto__": {"role": MARK}}).encode()


def forms_from(right: Mapping[str, Any]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """What is right, sent as something else."""
    body = json.dumps({**right, f"<{MARK}>": MARK}).encode()
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", "*/*"):
        yield f"as {kind or 'nothing'}", body, {"Content-Type": kind}
    for charset in ("utf-16", "latin-1", "x", "utf-7"):
        sent = {"Content-Type": f"application/json; charset={charset}"}
        yield f"in {charset}", body, sent
    sent = {"Content-Type": "application/json; charset=utf-16"}
    yield "in UTF-16, as it says", body.decode().encode("utf-16"), sent
    for coding in ("gzip", "br", "deflate", "identity, gzip", "x"):
        sent = {"Content-Type": "application/json", "Content-Encoding": coding}
        yield f"{coding}, packed", gzip.compress(body), sent
        yield f"{coding}, and is not", body, sent
