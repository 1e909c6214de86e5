"""The steps of one run: made now and logged, or found in the log of an earlier attempt and not made again."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, TypeAlias

from chat_api.providers.completions import Completion
from chat_api.providers.meter import Meter
from chat_api.providers.tool_calls import UNUSABLE
from chat_api.runs.errors import LeaseLost
from chat_api.runs.events import DELTA, LARGEST_TEXT, Event
from chat_api.runs.kept import completion_of, fallback_of, output_of, rounds_held, tokens_of
from chat_api.runs.log import Log, RunLog
from chat_api.runs.spending import Spending
from chat_api.runs.tool_step import Call, ToolStep, event_data
from kit.errors import Problem

__all__ = ["Journal", "OnText"]

_BETWEEN: Final = "\n\n"
_INTERRUPTED: Final = "The call was interrupted; it may or may not have happened."
_LEFT: Final = "The call was interrupted, may have happened, and the user decided not to repeat it."
_REJECTED: Final = "The user did not allow this call, so it was not made."
_UNKNOWN: Final = "There is no such tool."
_LOST: Final = "The user approved this call, but there is no such tool any more, so it was not made."

Perform: TypeAlias = Callable[[str, dict[str, Any] | None], Awaitable[Call]]
OnText: TypeAlias = Callable[[str], None]
Ask: TypeAlias = Callable[[OnText, Meter], Awaitable[Completion]]


class Journal:
    """Every model call and tool call of a run, in order.

    `said` is the text of the answer so far, `calls` are the tool calls that have ended, `spending` is what
    the model calls took, `fallbacks` are the providers that were to answer and did not: provider, model,
    code, message.
    """

    def __init__(self, log: Log, run: RunLog) -> None:
        self._log: Final = log
        self._run: Final = run
        self.spending: Final = Spending()
        self._asked = 0
        self._meter = Meter()
        self._completions: dict[int, Completion] = {}
        # Model calls that failed: others, with other numbers, came in their place.
        self._failed: set[int] = set()
        # Those that an earlier attempt began, and nobody has ended.
        self._begun: dict[int, dict[str, Any]] = {}
        self.fallbacks: list[dict[str, Any]] = []
        self._tools: dict[str, ToolStep] = {}
        self._texts: list[str] = []
        self._saying: list[str] = []
        self._open: dict[str, tuple[dict[str, Any], float]] = {}
        self._over = False

    @property
    def said(self) -> str:
        return "".join([_BETWEEN.join(self._texts), *self._saying])

    @property
    def is_saying(self) -> bool:
        """Whether the model call that is being made has said something."""
        return bool(self._saying)

    @property
    def rounds(self) -> int:
        """How many model calls an earlier attempt has had that are not made again."""
        return len(self._completions)

    @property
    def calls(self) -> list[Call]:
        return [step.outcome for step in self._tools.values() if step.outcome is not None]

    @property
    def calls_so_far(self) -> list[Call]:
        """Those of the model calls that were asked for again or anew since this attempt began."""
        done = (step for step in self._tools.values() if step.round <= self._asked)
        return [step.outcome for step in done if step.outcome is not None]

    def resume(self, events: Sequence[Event], *, ends: bool, handed_over: bool) -> None:
        """Learn what earlier attempts have done, and tell the readers what of their text still stands.

        `ends`: this attempt only ends the run, so that what the last one was saying stands, too.
        `handed_over`: the one before has not crashed.
        """
        for event in events:
            match event.data.get("kind"):
                case "model":
                    self._learn_of_model(event)
                case "tool":
                    self._step(event.data["step_id"]).learn(event.type, event.data)
                case _:
                    self._learn(event, ends=ends)
        held = rounds_held(events)
        for step in self._tools.values():
            step.unseen = step.round not in held
        data = {"attempt": self._run.attempt, "text": self.said, "handed_over": handed_over}
        self._add("attempt", data)

    def _learn_of_model(self, event: Event) -> None:
        number = int(event.data["step_id"])
        if event.type == "step.started":
            self._begun[number] = event.data
            return
        self._begun.pop(number, None)
        if "input_tokens" in event.data:
            self.spending.add(event.data.get("provider"), event.data["name"], completion_of(event.data))
        if "output" in event.data:
            self._keep(number, completion_of(event.data))
        elif event.data.get("error"):
            self._failed.add(number)

    def _learn(self, event: Event, *, ends: bool) -> None:
        match event.type:
            case "provider.fallback":
                self.fallbacks.append(fallback_of(event.data))
            case "step.updated":
                self._step(event.data["step_id"]).decide(event.data)
            case "attempt" if ends:
                standing: str = event.data["text"].removeprefix(_BETWEEN.join(self._texts))
                self._saying = [standing] if standing else []
            case "text.delta" if ends:
                self._saying.append(event.data["text"])
            case _:
                pass

    def unsure(self, repeatable: Collection[str]) -> list[ToolStep]:
        """Calls that may have happened, may not be repeated without asking, and were not asked about."""
        return [
            step
            for step in self._tools.values()
            if step.started and step.is_open and step.name not in repeatable
        ]

    def unapproved(self, asks: Callable[[str], bool]) -> list[ToolStep]:
        """Calls of tools that the user is asked about before they are made, and was not yet."""
        return [
            step
            for step in self._tools.values()
            if not step.started and step.is_open and asks(step.name) and step.wanted != UNUSABLE
        ]

    def fall_back(self, failure: dict[str, Any], provider: str, model: str) -> None:
        """Tell that another provider is asked for one that failed, unless an earlier attempt has told it."""
        if failure in self.fallbacks:
            return
        self.fallbacks.append(failure)
        data = {
            "from": {"provider": failure["provider"], "model": failure["model"]},
            "to": {"provider": provider, "model": model},
            "code": failure["code"],
            "reason": failure["message"],
        }
        self._add("provider.fallback", data)

    async def ask(self, provider: str, model: str, ask: Ask, known_tools: Collection[str]) -> Completion:
        """Have the model called, unless it was; keep what it wants done before anything is done.

        Raises what `ask` does, and LeaseLost.
        """
        self._asked += 1
        while self._asked in self._failed:
            self._asked += 1
        recorded = self._completions.get(self._asked)
        if recorded is not None:
            self._refuse_unknown(known_tools)
            return recorded
        step_id = str(self._asked)
        self._begun.pop(self._asked, None)
        self._start({"step_id": step_id, "kind": "model", "name": model, "provider": provider})
        self._meter = Meter()
        try:
            completion = await ask(self._say, self._meter)
        except Problem as problem:
            # Who refuses, or cannot be reached, takes nothing for it.
            taken = self._pay(step_id) if self._meter.heard else {}
            self._finish(step_id, error=problem.message, **taken)
            raise
        self._finish(step_id, **tokens_of(completion), **output_of(completion))
        self.spending.add(provider, model, completion)
        self._keep(self._asked, completion)
        self._add("usage", self.spending.usage())
        if completion.calls:
            self._refuse_unknown(known_tools)
            await self._log.commit(self._run)
        return completion

    async def call(
        self,
        call_id: str,
        arguments: dict[str, Any],
        perform: Perform,
        *,
        repeatable: bool,
    ) -> Call:
        """Have the tool called with the key of the step, unless it was; return what came of it.

        Raises LeaseLost.
        """
        step = self._tools[call_id]
        if step.outcome is not None:
            return step.outcome
        if self._over:
            raise LeaseLost
        if step.approved is False:
            error = _LEFT if step.started else _REJECTED
            error += f" They said: {step.reason}" if step.reason else ""
            self._refuse(step, error, arguments)
            return step.outcome or {}
        shown = arguments if step.changed is None else step.changed
        self._start({"step_id": step.step_id, "kind": "tool", "name": step.name, "arguments": shown})
        step.started = True
        if not repeatable:
            # The next attempt must know that this may have happened.
            await self._log.commit(self._run)
        step.outcome = await perform(self._key(step), step.changed)
        also = {"changed": True} if step.changed is not None else {}
        self._finish(step.step_id, result=step.outcome["result"], error=step.outcome["error"], **also)
        if not repeatable:
            await self._log.commit(self._run)
        return step.outcome

    def close(self) -> None:
        """End the steps that are open: the turn has been stopped."""
        for step_id, (data, _) in list(self._open.items()):
            if data["kind"] == "tool":
                step = self._step(step_id)
                also = {"changed": True} if step.changed is not None else {}
                step.refuse(_INTERRUPTED, data["arguments"])
            else:
                also = self._pay(step_id)
            self._finish(step_id, error=_INTERRUPTED, **also)
        for step in self._tools.values():
            if step.may_have_happened:
                # In an earlier attempt.
                self._refuse(step, _INTERRUPTED, step.arguments)
        for data in self._begun.values():
            self._add("step.finished", data | {"latency_ms": 0.0, "error": _INTERRUPTED})
        self._over = True

    def _pay(self, step_id: str) -> dict[str, Any]:
        """Count what a model call has taken that breaks off, for its event."""
        taken, (data, _) = self._meter.taken(), self._open[step_id]
        if taken is None:
            return {}
        self.spending.add(data["provider"], data["name"], taken)
        return tokens_of(taken)

    def _say(self, text: str) -> None:
        if not self._saying and self._texts:
            text = _BETWEEN + text
        self._saying.append(text)
        for start in range(0, len(text), LARGEST_TEXT):
            piece = text[start : start + LARGEST_TEXT]
            self._add(DELTA, {"step_id": str(self._asked), "text": piece})

    def _keep(self, number: int, completion: Completion) -> None:
        self._completions[number] = completion
        self._saying.clear()
        if completion.text:
            self._texts.append(completion.text)
        for index, call in enumerate(completion.calls, 1):
            self._tools[call.call_id] = ToolStep(f"{number}.{index}", call.name, call.arguments)

    def _step(self, step_id: str) -> ToolStep:
        return next(step for step in self._tools.values() if step.step_id == step_id)

    def _refuse_unknown(self, known: Collection[str]) -> None:
        """Keep the calls of tools that do not exist, which the SDK answers by itself."""
        for step in self._tools.values():
            if step.round == self._asked and step.outcome is None and step.name not in known:
                self._refuse(step, _LOST if step.approved else _UNKNOWN, step.arguments)

    def _refuse(self, step: ToolStep, error: str, arguments: dict[str, Any]) -> None:
        """Keep that the call was not made, or not as far as anybody knows."""
        self._add("step.finished", event_data(step.step_id, step.refuse(error, arguments)))

    def _key(self, step: ToolStep) -> str:
        key = f"{self._run.run_id}:{step.step_id}"
        return key if step.calls == 1 else f"{key}:{step.calls}"

    def _start(self, data: dict[str, Any]) -> None:
        self._open[data["step_id"]] = data, time.monotonic()
        self._add("step.started", data)

    def _finish(self, step_id: str, **found: Any) -> None:
        if self._over:
            return
        data, since = self._open.pop(step_id)
        latency = round((time.monotonic() - since) * 1000, 1)
        self._add("step.finished", data | {"latency_ms": latency} | found)

    def _add(self, type_: str, data: dict[str, Any]) -> None:
        # Readers would not see an end that comes after a higher number.
        if not self._over:
            self._log.add(self._run, type_, data)
