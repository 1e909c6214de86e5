"""A turn as it happens: a thread follows its log to the end, and the page looks at what came of it so far."""

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Literal
from uuid import uuid4

import httpx2

from web_ui.api import Api, ApiError, message_of
from web_ui.frames import frames_of

__all__ = ["Asked", "Call", "Question", "State", "Turn"]

_log: Final = logging.getLogger(__name__)
_TRIES: Final = 30
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_AWAY: Final = frozenset({502, 503, 504})
_UNWATCHED_SECONDS: Final = 120
_NO_ANSWER: Final = "Turnlog's server does not answer. Is it running?"
Outcome = Literal["completed", "cancelled", "failed", "refused", "lost", "left"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool, under way or over."""

    name: str
    arguments: Any
    result: Any = None
    error: str | None = None
    latency_ms: float | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A call that waits for a decision."""

    step_id: str
    seq: int
    name: str
    arguments: Any
    reason: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What there is of a turn. `outcome` is None while it goes on.

    `refused`: the server did not take it. `lost`: it did, but its log could not be read to the end.
    `left`: nobody looked at it for long. `is_another`: it is another answer to what was said before.
    `asked` are the step and number of all questions that there were, `questions` those that are open.
    `failed` are the providers that did not answer, where `answers` does instead.
    """

    version: int = 0
    run_id: str | None = None
    conversation_id: str | None = None
    text: str = ""
    calls: Mapping[str, Call] = field(default_factory=dict[str, Call])
    questions: Mapping[str, Question] = field(default_factory=dict[str, Question])
    asked: tuple[tuple[str, int], ...] = ()
    failed: tuple[str, ...] = ()
    answers: str = ""
    outcome: Outcome | None = None
    error: str | None = None
    code: str = ""
    is_another: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a turn is begun with. `instead_of`: the message that it takes the place of, with all after it."""

    path: str
    body: Mapping[str, Any]
    conversation_id: str | None = None
    instead_of: str | None = None
    key: str = field(default_factory=lambda: uuid4().hex)


class Turn:
    """A turn that is asked for here, or one that goes on already, by its `run_id`; perhaps both.

    What is asked for is sent as often as it takes, and is one turn all the same.
    """

    def __init__(
        self,
        api: Api,
        asked: Asked | None = None,
        run_id: str | None = None,
        conversation_id: str | None = None,
    ) -> None:
        self.asked: Final = asked
        self.began: Final = time.monotonic()
        self._api: Final = api
        self._state = State(
            run_id=run_id,
            conversation_id=conversation_id or (asked.conversation_id if asked else None),
        )
        self._changed: Final = threading.Condition()
        self._stopped: Final = threading.Event()
        self._last = 0
        self._left = _TRIES
        self._looked_at = time.monotonic()
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def message(self) -> str | None:
        """What the person said, where the turn was begun here."""
        return self.asked.body.get("message") if self.asked else None

    @property
    def state(self) -> State:
        return self._state

    def wait(self, seen: int, timeout: float) -> State:
        """The state once it is newer than the version `seen`, or after so many seconds."""
        self._looked_at = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._state.version > seen, timeout)
            return self._state

    def cancel(self) -> None:
        """Stop it, also before the server has taken it. Raises ApiError."""
        self._stopped.set()
        if self._state.run_id is not None:
            self._api.post(f"/api/v1/runs/{self._state.run_id}/cancel")

    def decide(self, question: Question, decision: Mapping[str, Any]) -> None:
        """Let it go on, unless that was decided elsewhere. Raises ApiError."""
        body = {"step_id": question.step_id, "seq": question.seq, **decision}
        try:
            self._api.post(f"/api/v1/runs/{self._state.run_id}/approvals", body)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        with self._changed:
            questions = self._state.questions
            self._update(questions={step: each for step, each in questions.items() if each != question})

    def _follow(self) -> None:
        try:
            while self._state.outcome is None:
                self._listen()
        except ApiError as error:
            self._end(str(error), error.code)
        # The page waits for an end, whatever this thread dies of.
        except Exception:  # noqa: BLE001
            _log.exception("a turn cannot be followed")
            self._end("The server's answer could not be read.")

    def _end(self, error: str, code: str = "") -> None:
        """Without an end of the turn's own."""
        outcome = "refused" if self._state.run_id is None else "lost"
        self._update(outcome=outcome, error=error, code=code)

    def _listen(self) -> None:
        """Follow over one connection, and wait a little after one that broke."""
        if self._state.run_id is None and self._stopped.is_set():
            raise ApiError("It was stopped before the server took it.")
        pause, broken = _PAUSE, None
        try:
            with self._request() as response:
                if self._may_read(response):
                    self._read(response)
                else:
                    pause = _pause_of(response)
        except httpx2.TransportError as error:
            broken = error
        if self._state.outcome is not None:
            return
        if self._left <= 0:
            raise ApiError(_NO_ANSWER) from broken
        self._left -= 1
        if self._state.run_id is None:
            self._stopped.wait(pause)
        else:
            time.sleep(pause)

    def _request(self) -> AbstractContextManager[httpx2.Response]:
        headers = {"Accept": "text/event-stream"}
        if self._state.run_id is None and self.asked is not None:
            headers["Idempotency-Key"] = self.asked.key
            return self._api.stream("POST", self.asked.path, json=self.asked.body, headers=headers)
        path = f"/api/v1/runs/{self._state.run_id}/events"
        return self._api.stream("GET", path, params={"after": self._last}, headers=headers)

    def _may_read(self, response: httpx2.Response) -> bool:
        if response.status_code == HTTPStatus.NO_CONTENT:
            # It was over before.
            self._update(outcome="completed")
            return False
        if response.is_success:
            return True
        message, code = message_of(response)
        # The log of a turn that was taken is there still; what was not taken may be refused for good.
        is_taken = self._state.run_id is not None
        is_away = response.status_code in _AWAY and (is_taken or not code)
        is_busy = response.status_code == HTTPStatus.TOO_MANY_REQUESTS and is_taken
        if (is_away or is_busy) and self._left > 0:
            return False
        raise ApiError(message, code, response.status_code)

    def _read(self, response: httpx2.Response) -> None:
        ids = response.headers
        self._update(
            run_id=ids["X-Run-ID"],
            conversation_id=ids.get("X-Conversation-ID", self._state.conversation_id),
        )
        if self._stopped.is_set():
            # Where this is in vain, the turn goes on, and so does its Stop.
            with suppress(ApiError):
                self.cancel()
        for frame in frames_of(response.iter_lines()):
            if frame["type"] == "error" and "seq" not in frame:
                # The end of this reading, not of the turn.
                return
            self._left = _TRIES
            self._last = frame.get("seq", self._last)
            with self._changed:
                self._take(frame)
            if self._state.outcome is None and time.monotonic() - self._looked_at > _UNWATCHED_SECONDS:
                self._update(outcome="left")
            if self._state.outcome is not None:
                return

    def _take(self, frame: dict[str, Any]) -> None:
        state = self._state
        match frame["type"], frame.get("kind"):
            case "start", _:
                is_another = frame.get("user_message_id") is None
                self._update(conversation_id=frame["conversation_id"], is_another=is_another)
            case "token", _:
                self._update(text=state.text + frame["content"])
            case "attempt", _:
                over = {step: call for step, call in state.calls.items() if call.is_over}
                self._update(text=frame["content"], calls=over, questions={})
            case "fallback", _:
                failed, answers = frame["from"]["provider"], frame["to"]["provider"]
                self._update(failed=(*state.failed, failed), answers=answers)
            case "trace_start" | "trace_end", "tool":
                call = _call(frame, state.calls.get(frame["step_id"]))
                self._update(calls={**state.calls, frame["step_id"]: call})
            case "approval", _:
                names = ("step_id", "seq", "name", "arguments", "reason")
                question = Question(**{name: frame[name] for name in names})
                places = dict.fromkeys((*state.asked, (question.step_id, question.seq)))
                self._update(questions={**state.questions, question.step_id: question}, asked=tuple(places))
            case "trace_update", _:
                rest = {step: each for step, each in state.questions.items() if step != frame["step_id"]}
                self._update(questions=rest)
            case "done", _:
                self._update(outcome=frame["status"], questions={})
            case "error", _:
                self._update(outcome="failed", error=frame["message"], code=frame["code"], questions={})
            case _:
                pass

    def _update(self, **changes: Any) -> None:
        with self._changed:
            self._state = replace(self._state, version=self._state.version + 1, **changes)
            self._changed.notify_all()


def _pause_of(response: httpx2.Response) -> float:
    try:
        return min(float(response.headers["Retry-After"]), _LONGEST_PAUSE)
    except (KeyError, ValueError):
        return _PAUSE


def _call(frame: Mapping[str, Any], begun: Call | None) -> Call:
    if frame["type"] == "trace_start":
        return Call(frame["name"], frame["arguments"])
    return Call(
        name=frame["name"],
        arguments=frame.get("arguments", begun.arguments if begun else None),
        result=frame.get("result"),
        error=frame.get("error"),
        latency_ms=frame.get("latency_ms"),
        is_over=True,
    )
