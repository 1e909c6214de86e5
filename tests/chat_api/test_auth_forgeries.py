"""With all kinds of issuers trusted at once, no forgery is accepted at either door."""

import asyncio
import os
from collections.abc import Generator
from typing import Final
from zlib import crc32

import httpx2
import pytest

from kit.postgres import open_db
from kit.tokens import KeyRing, load_keys
from tests.chat_api.accounts import AUTH
from tests.chat_api.forgeries_of_issuers import all_forgeries, all_genuine
from tests.chat_api.issuer import ISSUER, Issuer, ed_key, publishing, rsa_key
from tests.chat_api.replica import running_api
from tests.mcp_server.raw_http import NEW, request, send
from tests.model_server import ModelServer

VICTIM = "victim"
# With EVERY_ESCAPE each forgery at both doors; otherwise the second, of the same verifier, sees one of four.
SHARE: Final = 1 if os.environ.get("EVERY_ESCAPE") else 4


@pytest.fixture(scope="module")
def issuer() -> Generator[Issuer]:
    issuer = Issuer()
    # Published, and not for signatures: what they sign is forged.
    issuer.add("for encryption", rsa_key(), use="enc")
    issuer.add("for nothing", ed_key(), key_ops=[])
    with publishing(issuer) as running:
        yield running


@pytest.fixture(scope="module")
def server(api_database: str, shared_model: ModelServer, issuer: Issuer) -> Generator[str]:
    with running_api(api_database, shared_model.url, jwt_jwks_url=issuer.url, jwt_issuer=ISSUER) as url:
        yield url


@pytest.fixture(scope="module")
def keys(server: str, api_database: str) -> KeyRing:
    async def load() -> KeyRing:
        async with open_db(api_database) as db:
            return await load_keys(db)

    return asyncio.run(load())


@pytest.fixture
def http(server: str) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server, trust_env=False, timeout=30) as client:
        yield client


def status(http: httpx2.Client, token: str) -> int:
    return http.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {token}"}).status_code


def forged(keys: KeyRing, issuer: Issuer, audience: str, other: str) -> dict[str, str]:
    found = all_forgeries(keys, issuer, VICTIM, audience, other)
    for kid in ("for encryption", "for nothing"):
        found[f"by the key {kid}"] = issuer.mint(kid, VICTIM, audience).token()
    return found


def test_no_forgery_is_accepted_by_the_api(http: httpx2.Client, keys: KeyRing, issuer: Issuer) -> None:
    tokens = forged(keys, issuer, "turnlog", "turnlog-mcp")
    assert len(tokens) > 2000
    assert {name: found for name, token in tokens.items() if (found := status(http, token)) != 401} == {}


def test_no_forgery_is_accepted_by_the_tool_server(
    http: httpx2.Client, keys: KeyRing, issuer: Issuer
) -> None:
    tokens = forged(keys, issuer, "turnlog-mcp", "turnlog")
    listing = request(NEW, "tools/list")
    accepted = [
        name
        for name, token in tokens.items()
        if crc32(name.encode()) % SHARE == 0
        and send(http, NEW, listing, Authorization=f"Bearer {token}").status_code != 401
    ]
    assert (len(tokens) > 2000, accepted) == (True, [])


def test_the_tokens_that_they_start_from_are_accepted(
    http: httpx2.Client, keys: KeyRing, issuer: Issuer
) -> None:
    """The control: each issuer's right token, at each door."""
    for name, mint in all_genuine(keys, issuer, VICTIM, "turnlog").items():
        assert status(http, mint.token()) == 200, name
    for name, mint in all_genuine(keys, issuer, VICTIM, "turnlog-mcp").items():
        answer = send(http, NEW, request(NEW, "tools/list"), Authorization=f"Bearer {mint.token()}")
        assert answer.status_code == 200, name
