"""Tokens that must not be accepted where several issuers are trusted at once: keys and names crossed.

Also what the examples of RFC 7515, 7519 and 8037 would be, and other spellings of right tokens.
"""

import json
import random
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kit.tokens import KeyRing
from tests.chat_api.forgeries import Mint, forgeries, genuine, hs256, wrong_in_one_way
from tests.chat_api.issuer import ISSUER, Issuer, ec_key, ed_key, jwk_of, rsa_key, signer
from tests.servers import SECRET

__all__ = ["all_forgeries", "all_genuine"]

_ALGORITHMS: Final = ("none", "HS256", "HS384", "HS512", "EdDSA", "RS256", "RS512", "PS256", "ES256")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_RFC_CLAIMS: Final = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
_RFC: Final = {
    "RFC 7515, A.1 and RFC 7519, 3.1": "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    f"{_RFC_CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "RFC 7515, A.2": f"eyJhbGciOiJSUzI1NiJ9.{_RFC_CLAIMS}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9"
    "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB"
    "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
    "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    "RFC 7515, A.3": f"eyJhbGciOiJFUzI1NiJ9.{_RFC_CLAIMS}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    "RFC 7515, A.5 and RFC 7519, 6.1": f"eyJhbGciOiJub25lIn0.{_RFC_CLAIMS}.",
    "RFC 8037, A.4": "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
}


def all_genuine(keys: KeyRing, issuer: Issuer, subject: str, audience: str) -> dict[str, Mint]:
    """By who signs."""
    remote = {kid: issuer.mint(kid, subject, audience) for kid in ("ed", "ec", "rsa")}
    return genuine(keys, subject, audience, ISSUER) | remote


def all_forgeries(
    keys: KeyRing, issuer: Issuer, subject: str, audience: str, other_audience: str
) -> dict[str, str]:
    """By name."""
    mints = all_genuine(keys, issuer, subject, audience)
    found = forgeries(keys, subject, audience, other_audience, ISSUER)
    for name in ("ed", "ec", "rsa"):
        found |= wrong_in_one_way(f"remote {name}", mints[name], other_audience)
    found |= _RFC
    for name, mint in mints.items():
        token = mint.token()
        found |= {f"{name}: {how}": made for how, made in _spelled(token)}
        found |= {f"{name}: {how}": made for how, made in _garbled(token)}
        found |= {f"{name}: {how}": made for how, made in _lacking(mint)}
    for parts in (_crossed(keys, mints), _confused(keys, issuer, mints), _embedded(mints)):
        found |= dict(parts)
    return found


def _crossed(keys: KeyRing, mints: dict[str, Mint]) -> Iterator[tuple[str, str]]:
    """Each signer, known or not, with each algorithm, key id and issuer that are not together its own."""
    signers = {name: mint.sign for name, mint in mints.items()}
    signers |= {f"foreign {key}": signer(made) for key, made in (("ed", ed_key()), ("ec", ec_key()))}
    signers["foreign rsa"] = signer(rsa_key())
    kids: list[str | None] = [None, keys.kid, "ed", "ec", "rsa", "other"]
    mint = mints["ed"]
    for issuer in ("turnlog", ISSUER):
        for name, sign in signers.items():
            own = mints.get(name)
            for algorithm in _ALGORITHMS:
                for kid in kids:
                    is_right = own is not None and (
                        own.claims["iss"] == issuer
                        and own.header["alg"] == algorithm
                        and own.header.get("kid", kid) == kid
                    )
                    if not is_right:
                        header = {"alg": algorithm, "typ": "JWT"} | ({} if kid is None else {"kid": kid})
                        bare = Mint(header, mint.claims | {"iss": issuer}, sign)
                        yield f"{name} as {algorithm}, kid {kid}, of {issuer}", bare.token()


def _confused(keys: KeyRing, issuer: Issuer, mints: dict[str, Mint]) -> Iterator[tuple[str, str]]:
    """HMAC by what everybody knows: the public keys, however they may be spelled."""
    public = {keys.kid: keys.public[keys.kid]}
    public |= {kid: issuer.keys[kid].public_key() for kid in ("ed", "ec", "rsa")}  # pyright: ignore[reportAssignmentType]
    jwks = {jwk["kid"]: jwk for jwk in [*keys.jwks()["keys"], *issuer.jwks["keys"][:3]]}
    for kid, key in public.items():
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        jwk = jwks[kid]
        spelled: dict[str, bytes] = {
            "PEM": pem,
            "PEM without its newline": pem.strip(),
            "PEM on one line": pem.replace(b"\n", b""),
            "DER": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "base64": str(jwk.get("x") or jwk.get("n")).encode(),
            "JWK": json.dumps(jwk).encode(),
            "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
            "JWKS": json.dumps(issuer.jwks).encode(),
            "its id": kid.encode(),
        }
        if isinstance(key, Ed25519PublicKey):
            spelled["raw"] = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        for name, secret in spelled.items():
            for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
                for said in (None, kid):
                    header = {"alg": algorithm} | ({} if said is None else {"kid": said})
                    mint = Mint(header, mints["ed"].claims, hs256(secret, digest))
                    yield f"{algorithm} by the public key {kid}, {name}, kid {said}", mint.token()


def _embedded(mints: dict[str, Mint]) -> Iterator[tuple[str, str]]:
    """Signed by a key that the token brings along."""
    for own in (ed_key(), ec_key(), rsa_key()):
        for kid in ("ed", "ec", "rsa", "mine"):
            jwk = jwk_of(kid, own)
            brought: dict[str, Any] = {
                "jwk": jwk,
                "jku": "http://127.0.0.1:1/jwks.json",
                "x5u": "http://127.0.0.1:1/certificate",
                "x5c": [jwk.get("x") or jwk["n"]],
                "x5t": "AAAA",
                "keys": [jwk],
            }
            for name, value in brought.items():
                header = {"alg": jwk["alg"], "kid": kid, name: value}
                yield (
                    f"{jwk['alg']} by a key in {name}, kid {kid}",
                    Mint(header, mints["ed"].claims, signer(own)).token(),
                )


def _spelled(token: str) -> Iterator[tuple[str, str]]:
    """The same bytes in another spelling, which a signature does not cover."""
    parts = token.split(".")
    for index, part in enumerate(parts):
        others = [f"{part}=", f"{part}==", f" {part}", f"{part} ", f"{part}%3D", f"{part}A", part[:-1]]
        others += [f"{part[:8]}\t{part[8:]}", f"{part[:8]} {part[8:]}", part.replace("-", "+") + "+"]
        unused = {0: 0, 2: 4, 3: 2}[len(part) % 4]
        at = _ALPHABET.index(part[-1])
        others += [part[:-1] + _ALPHABET[at | bits] for bits in range(1, 2**unused)]
        for other in others:
            changed = [*parts[:index], other, *parts[index + 1 :]]
            # A token may have spaces around it in a header, which are none of its own.
            if ".".join(changed).strip() != token:
                yield f"part {index} as {other[-6:]!r}, {len(other)} long", ".".join(changed)


def _garbled(token: str) -> Iterator[tuple[str, str]]:
    """One character changed somewhere."""
    chance = random.Random(7515)
    for _ in range(40):
        at = chance.randrange(len(token))
        other = chance.choice([letter for letter in _ALPHABET if letter != token[at]])
        if token[at] != ".":
            yield f"{token[at]} at {at} is {other}", token[:at] + other + token[at + 1 :]


def _lacking(mint: Mint) -> Iterator[tuple[str, str]]:
    required = ("iss", "aud", "sub", "exp", "iat")
    for count in (2, 3, 5):
        for names in combinations(required, count):
            claims = {name: value for name, value in mint.claims.items() if name not in names}
            yield f"without {', '.join(names)}", Mint(mint.header, claims, mint.sign).token()
    for name in required:
        yield f"{name} in capitals", mint.token(claims={name.upper(): mint.claims[name]}, without=name)
        yield f"{name} in an object", mint.token(claims={name: {"value": mint.claims[name]}})
    yield "the secret in it", mint.token(claims={"iss": SECRET})
