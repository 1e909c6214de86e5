"""A token issuer of one's own, which publishes its keys at an address; one can change what it says."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_server.scopes import ALL
from tests.chat_api.forgeries import Mint
from tests.model_server import serve

__all__ = ["ISSUER", "Issuer", "Key", "ec_key", "ed_key", "jwk_of", "publishing", "rsa_key", "signer"]

ISSUER = "https://issuer.example"
Key: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ed_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int) -> str:
    return text(value.to_bytes((value.bit_length() + 7) // 8))


def jwk_of(kid: str, key: Key, **more: Any) -> dict[str, Any]:
    """The public key as a JWK (RFC 7517, 7518, 8037), right unless told otherwise."""
    found: dict[str, Any] = {"kid": kid, "use": "sig"}
    match key:
        case Ed25519PrivateKey():
            raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            found |= {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": text(raw)}
        case ec.EllipticCurvePrivateKey():
            numbers = key.public_key().public_numbers()
            size = (key.key_size + 7) // 8
            found |= {"kty": "EC", "crv": f"P-{key.key_size}", "alg": "ES256"}
            found |= {"x": text(numbers.x.to_bytes(size)), "y": text(numbers.y.to_bytes(size))}
        case rsa.RSAPrivateKey():
            public = key.public_key().public_numbers()
            found |= {"kty": "RSA", "alg": "RS256", "n": _number(public.n), "e": _number(public.e)}
    merged = found | more
    return {name: value for name, value in merged.items() if value is not None}


def signer(key: Key) -> Any:
    def sign(message: bytes) -> bytes:
        match key:
            case Ed25519PrivateKey():
                return key.sign(message)
            case ec.EllipticCurvePrivateKey():
                size = (key.key_size + 7) // 8
                r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
                return r.to_bytes(size) + s.to_bytes(size)
            case rsa.RSAPrivateKey():
                return key.sign(message, PKCS1v15(), SHA256())

    return sign


def algorithm_of(key: Key) -> str:
    match key:
        case Ed25519PrivateKey():
            return "EdDSA"
        case ec.EllipticCurvePrivateKey():
            return "ES256"
        case rsa.RSAPrivateKey():
            return "RS256"


class Issuer:
    """`jwks` is what it answers, as JSON; `answer`, where set, is what it answers instead."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {"ed": ed_key(), "ec": ec_key(), "rsa": rsa_key()}
        self.jwks: dict[str, Any] = {"keys": [jwk_of(kid, key) for kid, key in self.keys.items()]}
        self.answer: Response | None = None
        self.asked = 0
        self.url = ""

    def add(self, kid: str, key: Key, **more: Any) -> None:
        """Publish one more key, with something about it that may be wrong."""
        self.keys[kid] = key
        self.jwks = {"keys": [*self.jwks["keys"], jwk_of(kid, key, **more)]}

    def mint(self, kid: str, subject: str, audience: str = "turnlog") -> Mint:
        key, issued = self.keys[kid], int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": issued, "exp": issued + 600}
        header = {"alg": algorithm_of(key), "typ": "JWT", "kid": kid}
        return Mint(header, claims | {"scope": ALL}, signer(key))

    def token(self, kid: str, subject: str, audience: str = "turnlog", **claims: Any) -> str:
        return self.mint(kid, subject, audience).token(claims=claims)

    async def published(self, _: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(0)
        return self.answer or Response(json.dumps(self.jwks), media_type="application/json")


@contextmanager
def publishing(issuer: Issuer, port: int = 0) -> Generator[Issuer]:
    """Serve the issuer's keys."""
    with serve(Starlette(routes=[Route("/jwks.json", issuer.published)]), port) as url:
        issuer.url = f"{url}/jwks.json"
        yield issuer
