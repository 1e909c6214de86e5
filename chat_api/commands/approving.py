"""Asking the person at the terminal about a call that the assistant wants to make."""

import json
from typing import Any, Final

from chat_api.commands.console import words

__all__ = ["ask"]

_QUESTIONS: Final = {
    "approval": "The assistant wants to call",
    "interrupted": "This call was interrupted and may have happened; make it again?",
}


def ask(frame: dict[str, Any]) -> dict[str, Any] | None:
    """What is decided about the call of an `approval` frame; None where the input has ended."""
    question = _QUESTIONS.get(frame.get("reason") or "", _QUESTIONS["approval"])
    # In ASCII: what a model says could steer the terminal, and make the question look like another one.
    words.print(f"{question} {frame['tool']} {json.dumps(frame.get('args'))}", markup=False)
    decision: dict[str, Any] | None = None
    while decision is None:
        try:
            answer = words.input("(y)es, (n)o, or other arguments as JSON: ").strip()
        except EOFError:
            words.print()
            return None
        decision = _understood(answer)
    return {"step_id": frame["step_id"], "seq": frame["seq"], **decision}


def _understood(answer: str) -> dict[str, Any] | None:
    """The decision; a no may go on with its reason."""
    first, _, rest = answer.partition(" ")
    match first.lower(), rest.strip():
        case (("y" | "yes"), ""):
            return {"decision": "approve"}
        case (("n" | "no"), reason):
            return {"decision": "reject"} | ({"reason": reason} if reason else {})
        case _:
            pass
    try:
        arguments = json.loads(answer)
    except ValueError:
        return None
    return {"decision": "approve", "arguments": arguments} if isinstance(arguments, dict) else None
