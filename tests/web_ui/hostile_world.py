"""What somebody may be shown that others wrote: servers, models, tools and agents, and what they imported."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

import httpx2

from tests.chat_api.accounts import AUTH, someone
from tests.chat_api.foreign import sharing
from tests.chat_api.liar import error, lying, result, tool
from tests.chat_api.providers import Place, configure, listing, placed
from tests.chat_api.registering import CUSTOM, REGISTER, fresh
from tests.chat_api.registering import tool as custom_tool
from tests.model_server import say
from tests.servers import Person
from tests.web_ui.hostile import name_with, texts_with

__all__ = ["World", "hostile_world"]

AGENTS: Final = "/api/v1/agents"


class World(NamedTuple):
    """Ids of what there is in it."""

    server: str
    provider: str
    tool: str
    agent: str
    own_agent: str
    conversation: str


@contextmanager
def hostile_world(api: str, who: str, url: str) -> Generator[World]:
    """All that `who` may be shown. `url` is where what they are shown leads to, if anything does."""
    name, texts = name_with(url), texts_with(url)
    tools = [_tool(f"t{number}", text, name) for number, text in enumerate(texts)]
    place = Place()
    models = (name_with(url, 200), f"2{name_with(url, 190)}")
    place.shows = {"/v1/models": lambda _: listing(*models)}
    place.script = lambda _: say(texts[0])
    with ExitStack() as stack:
        admin, victim = Person(api, "mallory", roles=["admin"]), Person(api, who)
        http = stack.enter_context(victim.http)
        stack.enter_context(admin.http)
        stack.enter_context(placed(place))
        liar = stack.enter_context(lying(list=result(tools=[*tools, _tool(name, texts[0], name)])))
        server = stack.enter_context(sharing(admin, liar.url, "hostile"))
        broken = stack.enter_context(lying(list=error(-32000, name), discover=error(-32000, texts[0])))
        stack.enter_context(sharing(admin, broken.url, "broken"))
        provider = configure(admin, "hostile", f"{place.url}/v1", shared=True)
        stack.callback(admin.http.delete, f"/api/v1/providers/{provider}")
        added = custom_tool(fresh(), description="\n\n".join(texts)[:1_000], parameters=_schema(name))
        registered = admin.http.post(REGISTER, json=added)
        assert registered.is_success, registered.text
        custom = registered.json()["tool_id"]
        stack.callback(admin.http.delete, f"{CUSTOM}/{custom}")
        own = _agent(http, name, texts)
        chosen = {"provider": "hostile", "model_id": models[0], "agent_id": own}
        for agent_id in (own, "default"):
            said = http.post(f"/api/{who}/chat", json={"message": name, **chosen, "agent_id": agent_id})
            assert said.is_success, said.text
        _keep(http, name, texts)
        yield World(
            server, provider, custom, _shared(api, who, name, texts), own, _imported(http, name, texts)
        )


def _tool(called: str, text: str, name: str) -> dict[str, Any]:
    return tool(called, title=name, description=text, inputSchema=_schema(name))


def _schema(name: str) -> dict[str, Any]:
    named = {"type": "string", "description": name, "enum": [name, "x"], "title": name}
    return {"type": "object", "properties": {"param1": named}, "description": name}


def _agent(http: httpx2.Client, name: str, texts: Sequence[str]) -> str:
    about = "\n\n".join(texts)[:2_000]
    body = {"name": name, "description": about, "system_prompt": about, "metadata": {name: name}}
    made = http.post(AGENTS, json=body)
    assert made.is_success, made.text
    agent_id: str = made.json()["agent_id"]
    path = f"{AGENTS}/{agent_id}"
    changed = {"description": name, "system_prompt": name, "model_id": name_with(name, 100)}
    assert (answer := http.patch(path, json=changed)).is_success, answer.text
    return agent_id


def _shared(api: str, who: str, name: str, texts: Sequence[str]) -> str:
    """Two agents of somebody whose name is no better: one to use, one to read."""
    with someone(api) as other:
        assert other.http.patch(f"{AUTH}/me", json={"name": name}).is_success
        made = [_agent(other.http, name, texts) for _ in range(2)]
        for agent_id, right in zip(made, ("use", "read"), strict=True):
            given = other.http.put(f"{AGENTS}/{agent_id}/shares/{who}", json={"right": right})
            assert given.is_success, given.text
    return made[1]


def _keep(http: httpx2.Client, name: str, texts: Sequence[str]) -> None:
    for number, text in enumerate(texts):
        todo = {"title": name if number else f"{text} {name}"[:500], "notes": text, "tags": [name[:40]]}
        assert (answer := http.post("/api/v1/todos", json=todo)).is_success, answer.text
    key = {"name": name, "scopes": ["read"]}
    assert http.post("/api/v1/api-keys", json=key).is_success


def _imported(http: httpx2.Client, name: str, texts: Sequence[str]) -> str:
    """A conversation of calls of tools that there never were."""
    messages: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        called = {"tool": name[:200], "args": {name: text}, "result": {name: text}}
        calls = [called, {**called, "result": text}, {**called, "result": None, "error": text}]
        said = {"role": "assistant", "tool_calls": calls} if number % 2 else {"role": "user"}
        after = {"parent_id": f"m{number - 1}"} if number else {}
        messages.append({"id": f"m{number}", "content": text, **said, **after})
    body = {"format": "turnlog-conversation", "version": 1, "conversation": {"title": name}}
    answer = http.post("/api/v1/conversations/import", json={**body, "messages": messages})
    assert answer.is_success, answer.text
    return answer.json()["imported"][0]["conversation_id"]
