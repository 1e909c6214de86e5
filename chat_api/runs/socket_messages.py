"""What clients say over the WebSocket."""

import re
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, TypeGuard
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from chat_api.runs.schemas import ChatRequest
from kit.errors import Problem

__all__ = [
    "Ack",
    "Auth",
    "BadMessage",
    "Cancel",
    "Chat",
    "Message",
    "Ping",
    "Subscribe",
    "Unsubscribe",
    "id_of",
    "parse",
    "understand",
]

_LARGEST: Final = 64 * 1024
_LARGEST_CHAT: Final = 1024 * 1024
_TOO_LARGE: Final = "A message is 64 KiB at most, or 1 MiB for chat."
_LARGEST_SEQ: Final = 10**15
_LONGEST_ID: Final = 128
_MOST_RESUMED: Final = 1000
_MOST_FAULTS: Final = 20
_PLAIN: Final = re.compile(r"\w{1,40}", re.ASCII)

_Seq: TypeAlias = Annotated[int, Field(ge=0, le=_LARGEST_SEQ)]
_Id: TypeAlias = Annotated[str, Field(max_length=_LONGEST_ID)] | int | None


class BadMessage(Problem):
    """Nothing that can be acted on."""

    status = 422
    code = "invalid_request"


class NotJson(BadMessage):
    status = 400
    code = "invalid_json"


class TooLarge(BadMessage):
    status = 413
    code = "too_large"


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: _Id = None


class Auth(_Message):
    type: Literal["auth"]
    token: str


class _Scoped(_Message):
    scope: Literal["run", "conversation", "user"]
    run_id: UUID | None = None
    conversation_id: UUID | None = None

    @model_validator(mode="after")
    def _names_its_scope(self) -> Self:
        wanted = {"run": (True, False), "conversation": (False, True), "user": (False, False)}
        if (self.run_id is not None, self.conversation_id is not None) != wanted[self.scope]:
            raise ValueError("a run needs run_id, a conversation conversation_id, a user neither")
        return self

    @property
    def key(self) -> tuple[str, UUID | None]:
        """What makes two subscriptions the same."""
        return self.scope, self.run_id or self.conversation_id


class Subscribe(_Scoped):
    """`after`: the last numbers that the client has, of runs by id. `since`: the newest run that it knows."""

    type: Literal["subscribe"]
    after: _Seq | Annotated[dict[UUID, _Seq], Field(max_length=_MOST_RESUMED)] = Field(
        default_factory=dict[UUID, int]
    )
    since: UUID | None = None

    @model_validator(mode="after")
    def _a_number_is_of_a_run(self) -> Self:
        if isinstance(self.after, int) and self.scope != "run":
            raise ValueError("after is a number for a run, and else numbers by run id")
        return self

    @property
    def resumed(self) -> dict[UUID, int]:
        if isinstance(self.after, int):
            return {} if self.run_id is None else {self.run_id: self.after}
        return self.after


class Unsubscribe(_Scoped):
    type: Literal["unsubscribe"]


class Chat(ChatRequest):
    type: Literal["chat"]
    id: _Id = None
    idempotency_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")] | None = None


class Cancel(_Message):
    type: Literal["cancel"]
    run_id: UUID


class Ack(_Message):
    type: Literal["ack"]
    run_id: UUID
    seq: _Seq


class Ping(_Message):
    type: Literal["ping"]


Message: TypeAlias = Auth | Subscribe | Unsubscribe | Chat | Cancel | Ack | Ping

_MESSAGE: Final[TypeAdapter[Message]] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(text: str) -> dict[str, Any]:
    """The object in a message. Raises BadMessage."""
    if len(text.encode()) > _LARGEST_CHAT:
        raise TooLarge(_TOO_LARGE)
    try:
        found: object = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise NotJson("The message is not JSON.") from error
    if not _is_object(found):
        raise NotJson("The message is not a JSON object.")
    return found


def _is_object(found: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(found, dict)


def id_of(found: dict[str, Any]) -> str | int | None:
    """What the reply is to echo, if it can be echoed."""
    given = found.get("id")
    if isinstance(given, str):
        return given if len(given) <= _LONGEST_ID else None
    return given if type(given) is int and abs(given) < 2**53 else None


def understand(found: dict[str, Any], text: str) -> Message:
    """What was found in `text`. Raises BadMessage, which names what is wrong without repeating it."""
    if found.get("type") != "chat" and len(text.encode()) > _LARGEST:
        raise TooLarge(_TOO_LARGE)
    try:
        return _MESSAGE.validate_python(found)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        if any(detail["type"].startswith("union_tag") for detail in details):
            raise BadMessage("There is no message of this type.") from error
        fields = [{"field": _field(each["loc"]), "message": each["msg"]} for each in details[:_MOST_FAULTS]]
        raise BadMessage("These fields are not valid.", details=fields) from error


def _field(place: tuple[int | str, ...]) -> str:
    """The field's name; a client's own invention is repeated only where it is a plain word."""
    name = str(place[1]) if len(place) > 1 else "message"
    return name if _PLAIN.fullmatch(name) else "(a field of another name)"
