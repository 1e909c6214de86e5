"""Tokens that must not be accepted, each wrong in one way, and the two kinds that must be."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kit.tokens import KeyRing
from mcp_server.scopes import ALL
from tests.servers import SECRET

__all__ = ["Mint", "encode", "forgeries", "genuine", "hs256", "wrong_in_one_way"]

Claims: TypeAlias = dict[str, Any]
Sign: TypeAlias = Callable[[bytes], bytes]


def encode(part: Any) -> bytes:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(raw).rstrip(b"=")


def hs256(secret: str | bytes, name: str = "sha256") -> Sign:
    key = secret if isinstance(secret, bytes) else secret.encode()
    return lambda message: hmac.digest(key, message, name)


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes tokens of one issuer, right unless told otherwise."""

    header: Claims
    claims: Claims
    sign: Sign

    def token(
        self, header: Any = None, claims: Any = None, *, sign: Sign | None = None, without: str = ""
    ) -> str:
        """A token with `header` and `claims` on top of the right ones; what is no object replaces them."""
        head, body = _over(self.header, header), _over(self.claims, claims)
        if without:
            body = {name: value for name, value in self.claims.items() if name != without}
        message = encode(head) + b"." + encode(body)
        return (message + b"." + encode((sign or self.sign)(message))).decode()


def _over(own: Claims, given: Any) -> Any:
    if given is None:
        return own
    return own | cast("Claims", given) if isinstance(given, dict) else given


def genuine(keys: KeyRing, subject: str, audience: str, issuer: str = "turnlog") -> dict[str, Mint]:
    """`issuer` is the name of the one that shares the secret."""
    issued = int(time.time())
    claims = {"iss": "turnlog", "aud": audience, "sub": subject, "iat": issued, "exp": issued + 600}
    claims["scope"] = ALL
    return {
        "shared secret": Mint({"alg": "HS256", "typ": "JWT"}, claims | {"iss": issuer}, hs256(SECRET)),
        "built-in": Mint({"alg": "EdDSA", "typ": "JWT", "kid": keys.kid}, claims, keys.private.sign),
    }


def forgeries(
    keys: KeyRing, subject: str, audience: str, other_audience: str, issuer: str = "turnlog"
) -> dict[str, str]:
    """By name. All are ASCII, as a header must be."""
    found: dict[str, str] = {}
    for name, mint in genuine(keys, subject, audience, issuer).items():
        found |= wrong_in_one_way(name, mint, other_audience)
    shared, built_in = genuine(keys, subject, audience, issuer).values()
    return found | _signatures(shared) | _confused(shared, keys) | _keys(built_in, keys)


def wrong_in_one_way(issuer: str, mint: Mint, other_audience: str) -> dict[str, str]:
    """Tokens of an issuer whose right ones `mint` makes."""
    made = {**_claims(mint, other_audience), **_headers(mint), **_broken(mint.token())}
    return {f"{issuer}: {name}": token for name, token in made.items()}


def _claims(mint: Mint, other_audience: str) -> dict[str, str]:
    """Signed as they should be, saying what they should not."""
    now = int(time.time())
    wrong: dict[str, list[Any]] = {
        "aud": [other_audience, "", [], [other_audience], "TURNLOG", "turnlog ", "turn", 17, {}, None, True],
        "iss": ["", "other", "turnlog/", "Turnlog", ["turnlog"], 17, {}, None],
        "exp": [now - 6, now - 3600, 0, -1, "soon", "", [], {}, None, False, float("nan"), float("-inf")],
        "iat": [now + 60, "now", [], {}, None, float("inf"), float("nan")],
        "nbf": [now + 60, "now", [], {}, float("inf")],
        "sub": ["", 17, [], {}, None, True, "x" * 256, "a\nb", "a\x00b", "\x7f", "\ud800", "\u202e"],
    }
    found = {
        f"{claim} is {str(value)[:20]!a}": mint.token(claims={claim: value})
        for claim, values in wrong.items()
        for value in values
    }
    found |= {f"no {claim}": mint.token(without=claim) for claim in ("iss", "aud", "sub", "exp", "iat")}
    bodies: list[Any] = [[], "claims", 17, b"null", b"", b"{", b"\xff", b'{"iss":' * 900, b"[" * 2000]
    return found | {f"claims are {str(body)[:20]!a}": mint.token(claims=body) for body in bodies}


def _headers(mint: Mint) -> dict[str, str]:
    """Headers that ask for more than a signature."""
    own = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(own).decode()}
    added: dict[str, Claims] = {
        "crit": {"crit": ["exp"]},
        "crit unknown": {"crit": ["x"], "x": 1},
        "crit empty": {"crit": []},
        "unencoded": {"b64": False, "crit": ["b64"]},
        "unencoded without crit": {"b64": False},
        "jku": {"jku": "http://127.0.0.1:1/jwks.json"},
        "jwk": {"jwk": jwk},
        "jwk null": {"jwk": None},
        "x5u": {"x5u": "http://127.0.0.1:1/certificate"},
        "x5c": {"x5c": ["AAAA"]},
    }
    for algorithm in (
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS384",
        "HS512",
        "RS256",
        "ES256",
        "PS256",
        "hs256",
    ):
        if algorithm != mint.header["alg"]:
            added[f"alg {algorithm}"] = {"alg": algorithm}
    odd: list[Any] = [None, 17, [], ["HS256", "EdDSA"], {}, True]
    for value in odd:
        added[f"alg is {value}"] = {"alg": value}
    found = {name: mint.token(header=header) for name, header in added.items()}
    found |= {
        f"unsigned, alg {algorithm}": mint.token(header={"alg": algorithm}, sign=lambda _: b"")
        for algorithm in ("none", "None", "HS256", "EdDSA", "")
    }
    heads: list[Any] = [[], "header", 17, b"", b"{", b"\xff", b"{}", b"[" * 2000]
    return found | {f"header is {str(head)[:20]!a}": mint.token(header=head) for head in heads}


def _broken(token: str) -> dict[str, str]:
    """A right token that something happened to."""
    head, body, signature = token.split(".")
    flipped = "B" if signature[0] == "A" else "A"
    return {
        "without its signature": f"{head}.{body}.",
        "of two parts": f"{head}.{body}",
        "of one part": head,
        "of four parts": f"{token}.{signature}",
        "of five parts": f"{token}.{signature}.{signature}",
        "without a body": f"{head}..{signature}",
        "without a header": f".{body}.{signature}",
        "with the first bit changed": f"{head}.{body}.{flipped}{signature[1:]}",
        "with half a signature": f"{head}.{body}.{signature[:20]}",
        "with its parts exchanged": f"{body}.{head}.{signature}",
        "with another subject": f"{head}.{encode({'sub': 'admin'}).decode()}.{signature}",
        "in standard base64": f"{head}.{body}.{signature[:-2]}+/",
        "with a space in it": f"{head}. {body}.{signature}",
        "twice": f"{token} {token}",
        "too long": token + "A" * 9000,
    }


def _signatures(mint: Mint) -> dict[str, str]:
    secrets = [
        "",
        "secret",
        SECRET[:-1],
        SECRET + " ",
        SECRET.upper(),
        SECRET[::-1],
        "null",
        "\x00",
        "turnlog",
    ]
    made = {f"signed with {secret!r}": mint.token(sign=hs256(secret)) for secret in secrets}
    made["signed with SHA-512"] = mint.token(sign=hs256(SECRET, "sha512"))
    made["hashed, not signed"] = mint.token(sign=lambda message: hashlib.sha256(message).digest())
    return made


def _confused(mint: Mint, keys: KeyRing) -> dict[str, str]:
    """HS256 with what everybody knows: the public key, however it may be spelled."""
    public = keys.public[keys.kid]
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwks = keys.jwks()
    spelled: dict[str, bytes] = {
        "raw": raw,
        "PEM": pem,
        "PEM without its newline": pem.strip(),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "base64": jwks["keys"][0]["x"].encode(),
        "JWK": json.dumps(jwks["keys"][0]).encode(),
        "JWKS": json.dumps(jwks).encode(),
        "its id": keys.kid.encode(),
    }
    return {
        f"HS256 by the public key, {name}, {kid}": mint.token(header=header, sign=hs256(key))
        for name, key in spelled.items()
        for kid, header in (("no kid", {}), ("kid", {"kid": keys.kid}))
    }


def _keys(mint: Mint, keys: KeyRing) -> dict[str, str]:
    """EdDSA by another key, or by ours under another name."""
    foreign = Ed25519PrivateKey.generate()
    kids: list[Any] = [
        "",
        "other",
        keys.kid.upper(),
        keys.kid + " ",
        "../../dev/null",
        "' OR 1=1 --",
        0,
        [],
        {},
    ]
    found = {f"kid is {kid!r}": mint.token(header={"kid": kid}) for kid in [*kids, None, [keys.kid]]}
    found["by a foreign key"] = mint.token(sign=foreign.sign)
    found["by a foreign key of another kid"] = mint.token(header={"kid": "other"}, sign=foreign.sign)
    found["HS256 by the secret with our kid as EdDSA"] = mint.token(sign=hs256(SECRET))
    return found
