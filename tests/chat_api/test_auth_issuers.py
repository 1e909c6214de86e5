"""Issuers of one's own that publish their keys: which keys are taken, and when they are read again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response, StreamingResponse

from chat_api.settings import Settings
from kit.tokens import remote
from tests.chat_api.accounts import AUTH, someone
from tests.chat_api.issuer import ISSUER, Issuer, ec_key, ed_key, publishing, rsa_key
from tests.chat_api.processes import free_port
from tests.chat_api.replica import execute, running_api
from tests.chat_api.waiting import once
from tests.mcp_server.raw_http import NEW, request, send
from tests.model_server import ModelServer
from tests.servers import token_for


@pytest.fixture
def issuer() -> Generator[Issuer]:
    with publishing(Issuer()) as running:
        yield running


@pytest.fixture
def server(database_url: str, model: ModelServer, issuer: Issuer) -> Generator[str]:
    """Trusts the built-in issuer, a shared secret, and the keys at the issuer's address."""
    with running_api(
        database_url, model.url, jwt_jwks_url=issuer.url, jwt_issuer=ISSUER, registration="open"
    ) as url:
        yield url


def me(url: str, token: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"}
    # Plain HTTP: to read the certificates for each request would take longer than the request.
    return httpx2.get(f"{url}{AUTH}/me", headers=headers, trust_env=False, verify=False)


def status(url: str, token: str) -> int:
    return me(url, token).status_code


def test_several_issuers_are_trusted_at_once(server: str, issuer: Issuer, database_url: str) -> None:
    for kid in ("ed", "ec", "rsa"):
        answer = me(server, issuer.token(kid, f"person-{kid}"))
        assert (answer.status_code, answer.json()["issuer"]) == (200, ISSUER)
    assert me(server, token_for("secretly", iss=ISSUER)).json()["user_id"] == "secretly"
    with someone(server) as alice:
        assert alice.user["issuer"] == "turnlog"


def test_people_appear_at_first_sight(
    server: str, issuer: Issuer, database_url: str, model: ModelServer
) -> None:
    token = issuer.token("rsa", "newcomer")
    headers = {"Authorization": f"Bearer {token}"}
    chat = httpx2.post(
        f"{server}/api/newcomer/chat", json={"message": "Hi"}, headers=headers, trust_env=False
    )
    assert chat.status_code == 200
    assert execute(database_url, "SELECT issuer, subject FROM users WHERE subject <> ''") == [
        (ISSUER, "newcomer")
    ]


def test_the_tool_server_trusts_the_same(server: str, issuer: Issuer) -> None:
    for kid in ("ed", "ec", "rsa"):
        headers = {"Authorization": f"Bearer {issuer.token(kid, 'alice', 'turnlog-mcp')}"}
        with httpx2.Client(base_url=server, headers=headers, trust_env=False) as http:
            assert send(http, NEW, request(NEW, "tools/list")).status_code == 200


def test_a_sub_id_of_it_is_not_believed(server: str, issuer: Issuer) -> None:
    claims = {"format": "iss_sub", "iss": "turnlog", "sub": "victim"}
    for kid in ("ed", "ec", "rsa"):
        assert me(server, issuer.token(kid, "mallory", sub_id=claims)).json()["user_id"] == "mallory"


def test_it_cannot_speak_for_the_built_in_issuer(server: str, issuer: Issuer) -> None:
    for kid in ("ed", "ec", "rsa"):
        assert status(server, issuer.token(kid, "victim", iss="turnlog")) == 401


def test_a_new_key_is_known_at_its_first_token(server: str, issuer: Issuer) -> None:
    assert status(server, issuer.token("ed", "alice")) == 200
    before = issuer.asked
    issuer.add("new", ed_key())
    assert status(server, issuer.token("new", "alice")) == 200
    assert issuer.asked == before + 1


def test_for_unknown_keys_the_issuer_is_asked_once_a_minute(server: str, issuer: Issuer) -> None:
    assert status(server, issuer.token("ed", "alice")) == 200
    mint, before = issuer.mint("ed", "alice"), issuer.asked
    made = [mint.token(header={"kid": f"other-{number}"}) for number in range(100)]
    assert {status(server, token) for token in made} == {401}
    assert issuer.asked <= before + 2  # one for each audience
    assert status(server, issuer.token("ed", "alice")) == 200


def test_while_the_issuer_is_away_its_old_keys_are_used(database_url: str, model: ModelServer) -> None:
    with ExitStack() as stack:
        with publishing(Issuer()) as issuer:
            api = running_api(database_url, model.url, jwt_jwks_url=issuer.url, jwt_issuer=ISSUER)
            url = stack.enter_context(api)
            assert status(url, issuer.token("ed", "alice")) == 200
        assert status(url, issuer.mint("ed", "alice").token(header={"kid": "unknown"})) == 401
        assert status(url, issuer.token("rsa", "somebody new")) == 200


def test_an_issuer_that_starts_later_is_found(
    database_url: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remote._FAILED_EVERY <= 5  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(remote, "_FAILED_EVERY", 0.3)
    issuer, port = Issuer(), free_port()
    address = f"http://127.0.0.1:{port}/jwks.json"
    with running_api(database_url, model.url, jwt_jwks_url=address, jwt_issuer=ISSUER) as url:
        token = issuer.token("ed", "alice")
        assert status(url, token) == 401
        with publishing(issuer, port):
            once(lambda: status(url, token) == 200)


WRONG_KEYS: list[tuple[str, Callable[[], Any], dict[str, Any]]] = [
    ("for encryption", rsa_key, {"use": "enc"}),
    ("for encryption, Ed25519", ed_key, {"use": "enc"}),
    ("for signing only", rsa_key, {"key_ops": ["sign"]}),
    ("for wrapping", ec_key, {"key_ops": ["wrapKey", "encrypt"]}),
    ("for nothing", ed_key, {"key_ops": []}),
    ("operations of no kind", ed_key, {"key_ops": "verify"}),
    ("small", lambda: rsa_key(1024), {}),
    ("private", ed_key, {"d": "AAAA"}),
    ("private RSA", rsa_key, {"d": "AAAA"}),
    ("with a secret", ed_key, {"k": "AAAA"}),
    ("another curve", lambda: ec_key(ec.SECP384R1()), {}),
    ("another algorithm", rsa_key, {"alg": "RS512"}),
    ("another algorithm, PSS", rsa_key, {"alg": "PS256"}),
    ("the algorithm of another key", rsa_key, {"alg": "EdDSA"}),
    ("symmetric", ed_key, {"kty": "oct"}),
    ("of no type", ed_key, {"kty": None}),
    ("of a type that is none", ed_key, {"kty": ["OKP"]}),
    ("broken", ed_key, {"x": "AAAA"}),
    ("off its curve", ec_key, {"y": "AAAA"}),
    ("without a modulus", rsa_key, {"n": None}),
    ("with an exponent of one", rsa_key, {"e": "AQ"}),
    ("with a large exponent", rsa_key, {"e": "AQ" + "A" * 41 + "E"}),
]


@pytest.mark.parametrize(("kind", "make", "more"), WRONG_KEYS, ids=[case[0] for case in WRONG_KEYS])
def test_a_key_that_is_not_for_this_is_not_taken(
    shared_issuer: Issuer, shared_server: str, kind: str, make: Callable[[], Any], more: dict[str, Any]
) -> None:
    assert status(shared_server, shared_issuer.token(kind, "alice")) == 401


@pytest.fixture(scope="module")
def shared_issuer() -> Generator[Issuer]:
    """With all the wrong keys beside the right ones."""
    issuer = Issuer()
    for kind, make, more in WRONG_KEYS:
        issuer.add(kind, make(), **more)
    issuer.jwks["keys"][0:0] = [None, 17, [], "key", {}, {"kty": "OKP"}, {"kid": 17, "kty": "OKP"}]
    issuer.add("verify", ed_key(), use=None, alg=None, key_ops=["verify"])
    with publishing(issuer) as running:
        yield running


@pytest.fixture(scope="module")
def shared_server(api_database: str, shared_model: ModelServer, shared_issuer: Issuer) -> Generator[str]:
    with running_api(
        api_database, shared_model.url, jwt_jwks_url=shared_issuer.url, jwt_issuer=ISSUER
    ) as url:
        yield url


def test_the_right_ones_beside_them_are(shared_server: str, shared_issuer: Issuer) -> None:
    for kid in ("ed", "ec", "rsa", "verify"):
        assert status(shared_server, shared_issuer.token(kid, "alice")) == 200, kid


async def _large() -> AsyncGenerator[bytes]:
    for _ in range(100):
        yield b" " * 65536
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "answer",
    [
        Response("not JSON"),
        Response("[" * 100_000),
        Response("[]"),
        Response('{"keys": {}}'),
        Response("\xff", media_type="application/json"),
        Response(status_code=500),
        Response(status_code=404),
        RedirectResponse("/elsewhere"),
        StreamingResponse(_large()),
    ],
    ids=["text", "deep", "list", "object", "bytes", "500", "404", "redirect", "large"],
)
def test_what_is_no_key_set_changes_nothing(server: str, issuer: Issuer, answer: Response) -> None:
    assert status(server, issuer.token("ed", "alice")) == 200
    issuer.answer = answer
    asked = issuer.asked
    assert status(server, issuer.mint("ed", "alice").token(header={"kid": "unknown"})) == 401
    assert issuer.asked > asked
    assert status(server, issuer.token("rsa", "somebody new")) == 200


@pytest.mark.parametrize(
    "address",
    ["http://issuer.example/jwks", "http://127.0.0.1.example/jwks", "ftp://127.0.0.1/x", "x"],
)
def test_an_address_where_anybody_could_answer_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        Settings(jwt_jwks_url=address)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "address",
    ["https://issuer.example/jwks", "http://127.0.0.1:1/jwks", "http://[::1]/x", "http://localhost/x"],
)
def test_an_address_where_nobody_else_could_is_taken(address: str) -> None:
    assert Settings(jwt_jwks_url=address).jwt_jwks_url is not None  # pyright: ignore[reportArgumentType]
