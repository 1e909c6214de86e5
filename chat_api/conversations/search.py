"""Full-text search over one's own messages.

Each message's vector has its user as a lexeme beside its words, so that one GIN index gives what somebody has
said with a word, at a cost of theirs alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Row, TextClause, text

from chat_api.conversations.listing import AgentFilter
from kit.paging import read_cursor, write_cursor
from kit.postgres import Db

__all__ = ["LONGEST_QUERY", "Place", "Query", "marked", "search", "statement_of"]

LONGEST_QUERY: Final = 500
"""Characters. Of four bytes each, they are still less than the longest word that Postgres takes."""

_START, _STOP = "\x01", "\x02"
_LONGEST_READ: Final = 50_000
_MOST_BEGUN: Final = 50_000
_WORDS: Final = text(
    """
    SELECT CAST(websearch_to_tsquery('simple', :q) AS text) AS words,
        CAST(websearch_to_tsquery('simple', :whole) AS text) AS whole,
        CAST(websearch_to_tsquery('simple', :last) AS text) AS last
    """
)
_BEGUN: Final = text("EXPLAIN (FORMAT JSON) SELECT FROM messages WHERE search @@ CAST(:words AS tsquery)")
# What fits is looked for first, by the one index that is made for it: one on the user or the conversation
# would read all that they have said, which `IS TRUE` keeps out.
_SEARCH: Final = """
    WITH fitting AS MATERIALIZED (
        SELECT id, conversation_id, role, content, created_at,
            CAST(ts_rank_cd(search, CAST(:words AS tsquery)) AS float8) AS rank
        FROM messages
        WHERE search @@ (CAST(:looked_up AS tsquery) && CAST(:who AS tsquery))
            AND (search @@ CAST(:words AS tsquery)) IS TRUE
            AND (user_id = :user_id) IS TRUE AND deleted_at IS NULL
    )
    SELECT fitting.*, conversations.title, conversations.agent_id, conversations.archived_at,
        ts_headline('simple', translate(left(content, :longest), chr(1) || chr(2), ''),
            CAST(:words AS tsquery), :options) AS snippet
    FROM fitting JOIN conversations ON conversations.id = conversation_id
    WHERE conversations.deleted_at IS NULL {conditions}
    ORDER BY rank DESC, fitting.created_at DESC, fitting.id DESC LIMIT :n
"""
_AFTER: Final = " AND (rank, fitting.created_at, fitting.id) < (:rank, :at, :id)"
_OPTIONS: Final = (
    f"StartSel={_START}, StopSel={_STOP}, MaxWords=30, MinWords=12, MaxFragments=2, FragmentDelimiter=' … '"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for, in the words of a web search, and where. The times are those of the messages."""

    q: str
    agent: AgentFilter | None = None
    role: Literal["user", "assistant"] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> str:
        found = {
            "conversations.agent_id IS NULL": self.agent == "default",
            "conversations.agent_id = :agent": isinstance(self.agent, UUID),
            "role = :role": self.role is not None,
            "fitting.created_at >= :since": self.since is not None,
            "fitting.created_at < :until": self.until is not None,
        }
        return "".join(f" AND {condition}" for condition, is_wanted in found.items() if is_wanted)

    def parameters(self) -> dict[str, Any]:
        values = {"agent": self.agent, "role": self.role, "since": self.since, "until": self.until}
        return {name: value for name, value in values.items() if value not in {None, "default"}}


class Place(BaseModel):
    """Behind what a page goes on."""

    model_config = ConfigDict(extra="forbid")

    rank: float = Field(allow_inf_nan=False)
    at: AwareDatetime
    id: UUID


async def search(
    db: Db, user_id: UUID, query: Query, *, cursor: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """A page of the user's messages that fit, the best first, and where it goes on. Raises InvalidCursor."""
    place = None if cursor is None else read_cursor(Place, cursor)
    words, looked_up = await _words(db, query.q)
    if not words:
        return [], None
    statement, parameters = statement_of(user_id, query, words, looked_up, place, limit=limit)
    rows = await db.run(statement, parameters)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], write_cursor(Place(rank=last.rank, at=last.created_at, id=last.id))


def statement_of(
    user_id: UUID, query: Query, words: str, looked_up: str, place: Place | None, *, limit: int
) -> tuple[TextClause, dict[str, Any]]:
    """What finds a page, and one more, behind `place`.

    `words` are the query as Postgres has it, `looked_up` what of it the index is asked for.
    """
    statement = _SEARCH.format(conditions=query.conditions() + ("" if place is None else _AFTER))
    parameters = {
        "user_id": user_id,
        "words": words,
        "looked_up": looked_up,
        "who": f"'u:{user_id}'",
        "longest": _LONGEST_READ,
        "options": _OPTIONS,
        "n": limit + 1,
        **query.parameters(),
        **({} if place is None else place.model_dump()),
    }
    return text(statement), parameters


async def _words(db: Db, q: str) -> tuple[str, str]:
    """The query as Postgres reads it, its last word as the beginning of one; empty where it has no words.

    And what of it the index is asked for: the beginning of a word only where few messages of all have such
    words, for it reads them all; otherwise it is looked for in those that have the rest.
    """
    *others, last = q.split() or [""]
    is_choice = "or" in q.lower().split()
    parts = {"q": q, "whole": "" if is_choice else " ".join(others), "last": last}
    [row] = await db.run(_WORDS, parameters=parts)
    # What is in quotes or excluded is meant as it is.
    if last.endswith('"') or last.startswith("-") or not row.words.endswith("'"):
        return row.words, row.words
    words = f"{row.words}:*"
    [[plan]] = (await db.run(_BEGUN, {"words": f"{row.last}:*" if row.last.endswith("'") else words}))[0]
    return words, row.whole if plan["Plan"]["Plan Rows"] > _MOST_BEGUN else words


def marked(snippet: str) -> str:
    """A snippet of `search` as HTML: all that was said is escaped, what fits is in `<mark>`."""
    return escape(snippet).replace(_START, "<mark>").replace(_STOP, "</mark>")
