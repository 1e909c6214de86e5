"""What the OpenAPI document says beyond what the routes' signatures do, and where it is read."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from typing_extensions import override

from chat_api.reference import reference_routes

__all__ = ["TAGS", "DescribedApi"]

TAGS: Final = [
    {"name": "chat", "description": "Take a turn: a message in, the assistant's answer out."},
    {"name": "runs", "description": "What became of turns: their logs, streams, steps and approvals."},
    {"name": "conversations", "description": "What was said."},
    {"name": "agents", "description": "Assistants with a prompt, tools and rules of one's own."},
    {"name": "models", "description": "Which models there are, and whether their providers answer."},
    {"name": "providers", "description": "Providers of one's own: any server that models answer at."},
    {"name": "tools", "description": "What assistants can call, and the tools that admins add."},
    {"name": "todos", "description": "What there is to do: the list that assistants keep, too."},
    {"name": "mcp servers", "description": "Other MCP servers, whose tools assistants can call."},
    {"name": "auth", "description": "Accounts: registering, logging in and out, one's own data."},
    {"name": "api-keys", "description": "Keys that go wherever a token goes."},
    {"name": "users", "description": "Everybody's accounts, for admins."},
    {"name": "health", "description": "Whether the server lives, and whether it can serve."},
]
_WHEN: Final = {
    "400": "The body is not JSON in UTF-8",
    "401": "There is no good token, or the password is wrong",
    "403": "The token or API key does not allow that, or it is for another user than the path",
    "404": "There is no such thing, or it is somebody else's",
    "408": "The body did not come in time",
    "409": "It does not go with what there is by now",
    "412": "It was changed since the version that `If-Match` names",
    "413": "The body is too large",
    "422": "Fields are not valid; `details` has their names",
    "429": "That was too often; `Retry-After` says when to come again",
    "5XX": "Something went wrong here, or at a provider or a tool server",
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "401": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    "429": {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds"}},
}
_ENVELOPE: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}}


def _frame(*types: str) -> dict[str, Any]:
    """What all frames of a stream have; `types` are those that are not in every stream."""
    everywhere = ("token", "attempt", "fallback", "approval", "done", "error", "heartbeat")
    return {
        "type": "object",
        "required": ["type", "timestamp"],
        "properties": {
            "type": {"enum": [*types, *everywhere]},
            "run_id": {"type": "string", "format": "uuid"},
            "timestamp": {"type": "string", "format": "date-time"},
        },
    }


_EXAMPLE_ID: Final = "01a1fdba-25e1-749b-b52a-bc59c9bbe264"
_STREAMS: Final[dict[str, Any]] = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "description": "What `Last-Event-ID` takes"},
                "data": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": _frame("start", "trace_start", "trace_update", "trace_end", "usage"),
                },
            },
        },
        "example": f'id: 12\ndata: {{"type":"token","run_id":"{_EXAMPLE_ID}","content":"397.8"}}\n\n',
    },
    "application/x-ndjson": {
        "itemSchema": _frame("start", "tool_call", "tool_result", "decision"),
        "example": f'{{"type":"token","run_id":"{_EXAMPLE_ID}","seq":12,"content":"397.8"}}\n',
    },
}
_UNLIMITED: Final = ("/api/v1/health/", "/.well-known/")
_SIGN_IN: Final = {"email": "alice@example.com", "password": "correct horse battery staple"}
_GREETER: Final = {
    "description": "Says good morning to a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "code": "def greet(city): return f'Good morning, {city}'",
}
_LIBRARIAN: Final = {
    "name": "Librarian",
    "system_prompt": "You know every book, and you are brief.",
    "provider": "ollama",
    "model_id": "qwen3:8b",
    "temperature": 0.3,
    "tools": ["list_todos", "add_todo"],
    "approvals": {"tools": ["add_todo"]},
    "metadata": {"colour": "blue"},
}
_BODIES: Final[dict[str, Any]] = {
    "ChatRequest": {"message": "What is 17% of 2340?", "stream": False},
    "AgentChatRequest": {"message": "What did I ask?", "conversation_id": _EXAMPLE_ID, "stream": True},
    "Edit": {"message": "What is 19% of 2340?", "if_busy": "interrupt"},
    "Regeneration": {"temperature": 0.2},
    "Approval": {"step_id": "1.1", "decision": "reject", "reason": "Ask me again tomorrow."},
    "NewAgent": _LIBRARIAN,
    "AgentChange": {"system_prompt": "You know every book.", "approvals": {"not_read_only": True}},
    "NewAgents": {"agents": [_LIBRARIAN, {"name": "Pirate", "system_prompt": "You are a pirate."}]},
    "AgentIds": {"ids": [_EXAMPLE_ID]},
    "CopyOf": {"name": "My librarian"},
    "NewShare": {"right": "use"},
    "AgentDocuments": {
        "format": "turnlog.agent",
        "version": 1,
        "name": "Librarian",
        "config": {"system_prompt": "You know every book, and you are brief.", "tools": ["web_search"]},
    },
    "NewTodo": {"title": "Call Ann", "due": "tomorrow at 9", "priority": "high", "tags": ["family"]},
    "TodoChange": {"due": None, "status": "done"},
    "NewTool": {"name": "greet", **_GREETER},
    "ToolChange": _GREETER,
    "Restore": {"version": 1},
    "NewServer": {
        "name": "library",
        "url": "https://mcp.example.com/mcp",
        "auth": "bearer",
        "secret": "a token of that server",
    },
    "NewProvider": {
        "name": "work",
        "base_url": "https://models.example.com/v1",
        "api_key": "the key of that server",
        "model": "a-large-one",
    },
    "ProviderChange": {"model": "a-small-one", "priority": 10},
    "ConnectRequest": {"provider": "ollama", "endpoint": "http://localhost:11434", "api_key": None},
    "ServerChange": {"enabled": False, "timeout_seconds": 10},
    "NewAccount": {**_SIGN_IN, "name": "Alice"},
    "Credentials": _SIGN_IN,
    "RefreshRequest": {"refresh_token": "the one that came with the last access token"},
    "AccountChange": {"name": "Alice", "timezone": "Europe/Berlin"},
    "PasswordChange": {"current_password": "correct horse battery staple", "new_password": "a better one 27"},
    "Farewell": {"user_id": _EXAMPLE_ID, "password": _SIGN_IN["password"]},
    "NewApiKey": {"name": "Backup script", "scopes": ["read"], "expires_in_days": 90},
    "NewUser": {"email": "bob@example.com", "name": "Bob", "role": "user"},
    "Assignment": {"role": "admin", "tier": "premium"},
    "PasswordReset": {"password": None},
    "NewConversation": {"title": "Trip to Lisbon", "metadata": {"folder": "travel"}},
    "ConversationChange": {"title": "Trip to Porto", "archived": True},
    "Bulk": {"action": "archive", "ids": [_EXAMPLE_ID]},
    "Document": {
        "messages": [
            {"role": "user", "content": "What is 17% of 2340?"},
            {"role": "assistant", "content": "397.8"},
        ]
    },
    "Fork": {"title": "Another way"},
    "Feedback": {"rating": "down", "comment": "It is Porto, not Lisbon."},
    "ErrorEnvelope": {
        "success": False,
        "data": None,
        "message": "There is no such run.",
        "error": {"code": "run_not_found", "request_id": _EXAMPLE_ID},
    },
}


class DescribedApi(FastAPI):
    """FastAPI whose OpenAPI document names each error that a route can answer with, and has examples."""

    @override
    def setup(self) -> None:
        # Theirs load what they run from elsewhere, in whatever version is there.
        self.docs_url = self.redoc_url = None
        super().setup()
        self.router.routes.extend(reference_routes())

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema:
            return self.openapi_schema
        schema = super().openapi()
        _describe(schema)
        return schema


def _describe(schema: dict[str, Any]) -> None:
    """Put the examples and the errors into the document."""
    components = schema["components"]
    for name, example in _BODIES.items():
        if name in components["schemas"]:
            components["schemas"][name]["examples"] = [example]
    components["responses"] = {
        status: {"description": text, "content": _ENVELOPE, "headers": _HEADERS.get(status, {})}
        for status, text in _WHEN.items()
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            _describe_streams(answers)
            # The range is what routes are declared with; what is said here is exact.
            answers.pop("4XX", None)
            for status in _errors_of(path, method, operation):
                answers.setdefault(status, {"$ref": f"#/components/responses/{status}"})
            answers["5XX"] = {"$ref": "#/components/responses/5XX"}


def _names_something(parameter: dict[str, Any]) -> bool:
    return parameter["in"] == "path" or parameter["name"].endswith("_id")


def _describe_streams(answers: dict[str, Any]) -> None:
    content = answers.get("200", {}).get("content", {})
    content.update({kind: _STREAMS[kind] for kind in _STREAMS if content.get(kind) == {}})


def _errors_of(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    parameters = operation.get("parameters", [])
    has_body = "requestBody" in operation
    if has_body:
        yield from ("400", "408", "413")
    # Without a token, a body is what somebody logs in with.
    if has_body or "security" in operation:
        yield from ("401", "403")
    if "security" in operation and (has_body or any(map(_names_something, parameters))):
        yield "404"
    if method != "get":
        yield "409"
    if any(each["name"].lower() == "if-match" for each in parameters):
        yield "412"
    if has_body or parameters:
        yield "422"
    if not path.startswith(_UNLIMITED):
        yield "429"
