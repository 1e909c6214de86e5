"""Names for conversations, by the model that answers in them: better than the beginning of a message."""

import asyncio
import re
from traceback import format_exception
from typing import Final

import structlog
from agents import ModelSettings
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.providers.catalogue import Catalogue
from chat_api.providers.provider import ChosenModel
from chat_api.providers.tool_calls import clean_text
from chat_api.runs.conclude import End
from chat_api.runs.lease import Claim
from kit.errors import Problem
from kit.postgres import Db
from kit.postgres.errors import AWAY

__all__ = ["Titles", "clean_title"]

_TURNS: Final = range(2, 7)
"""Positions of the second turn and, where that one failed, of the two after it."""

_MOST_AT_ONCE: Final = 4
_MOST_TOKENS: Final = 30
_LONGEST: Final = 80
_INSTRUCTIONS: Final = (
    "Name the conversation below in three to six words, in its language. Answer with the name alone."
)
_THOUGHT: Final = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)
_READ: Final = text(
    """
    SELECT id, role, left(content, 600) AS said FROM messages
    WHERE user_id = :user_id AND conversation_id = :id AND deleted_at IS NULL AND EXISTS (
        SELECT FROM conversations WHERE id = :id AND title_source = 'message' AND deleted_at IS NULL
    )
    ORDER BY position LIMIT 4
    """
)
_LOCK: Final = text("SELECT FROM conversations WHERE id = :id AND user_id = :user_id FOR NO KEY UPDATE")
# Whoever has named it meanwhile wins, and of what was deleted meanwhile no name is made.
_WRITE: Final = text(
    """
    UPDATE conversations SET title = :title, title_source = 'model'
    WHERE id = :id AND user_id = :user_id AND title_source = 'message' AND NOT EXISTS (
        SELECT FROM messages WHERE messages.id = ANY(:read) AND messages.deleted_at IS NOT NULL
    )
    """
).bindparams(bindparam("read", type_=ARRAY(PG_UUID(as_uuid=True))))
_log = structlog.get_logger(__name__)


class Titles:
    """Asks for names beside the turns, a few at a time; a turn waits for none, and fails for none."""

    def __init__(self, db: Db, catalogue: Catalogue) -> None:
        self._db: Final = db
        self._catalogue: Final = catalogue
        self._under_way: Final[set[asyncio.Task[None]]] = set()

    def consider(self, turn: Claim, chosen: ChosenModel | None, end: End) -> None:
        """Name the conversation of a turn that has ended, if it is time to; never by the built-in model."""
        if chosen is None or chosen.provider.name == "local" or end.status != "completed":
            return
        if turn.place.position not in _TURNS or len(self._under_way) >= _MOST_AT_ONCE:
            return
        task = asyncio.create_task(self._name(turn, chosen))
        self._under_way.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("title_failed", exception="".join(format_exception(error)))

    async def _name(self, turn: Claim, chosen: ChosenModel) -> None:
        whose = {"user_id": turn.user_id, "id": turn.conversation_id}
        try:
            rows = await self._db.run(_READ, whose)
            if not rows:
                return
            said = "\n".join(f"{row.role}: {row.said}" for row in rows)
            model = self._catalogue.model(chosen)
            settings = ModelSettings(max_tokens=_MOST_TOKENS)
            completion = await model.reply(_INSTRUCTIONS, said, settings, [], lambda _: None)
            title = clean_title(completion.text)
            if title:
                # What is deleted at this moment is waited for, and then seen.
                async with self._db.begin() as session:
                    await session.execute(_LOCK, whose)
                    read = [row.id for row in rows]
                    await session.execute(_WRITE, {**whose, "title": title, "read": read})
        except (Problem, *AWAY) as error:
            _log.info("no_title", reason=type(error).__name__)


def clean_title(answer: str) -> str:
    """The name in a model's answer, of 80 characters at most; "" where there is none."""
    said = clean_text(_THOUGHT.sub("", answer)).strip()
    line = " ".join(said.splitlines()[0].split()) if said else ""
    plain = line.removeprefix("Title:").strip(" \"'`*#“”„«»").rstrip(".").strip()
    if len(plain) <= _LONGEST:
        return plain
    return plain[:_LONGEST].rpartition(" ")[0] or plain[:_LONGEST]
