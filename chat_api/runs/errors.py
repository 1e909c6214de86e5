"""What can keep a turn from being answered."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kit.errors import Problem

__all__ = [
    "ActionRequired",
    "ConversationBusy",
    "GaveUp",
    "Interrupted",
    "KeyReused",
    "LeaseLost",
    "NotTheUsers",
    "NothingToDecide",
    "RunCancelled",
    "RunFailed",
    "RunNotFound",
    "TooManyRounds",
    "TurnFailed",
    "Waiting",
]


class LeaseLost(Exception):
    """Another attempt has the run, or may have: this one is to stop."""


class Waiting(Exception):
    """The user is to decide about these calls before the run goes on."""

    def __init__(self, requests: tuple[dict[str, Any], ...]) -> None:
        super().__init__()
        self.requests = requests


class ConversationBusy(Problem):
    status = 409
    code = "conversation_busy"

    def __init__(self) -> None:
        super().__init__(
            "Another turn of this conversation is running; try again when it has ended.",
            headers={"Retry-After": "2"},
        )


class KeyReused(Problem):
    status = 409
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was sent with another request; use a new key for a new turn.")


class Interrupted(Problem):
    status = 503
    code = "interrupted"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(
            "This server is stopping; the turn goes on elsewhere, or when one starts again.",
            headers={"Retry-After": "2"},
            details={"run_id": str(run_id)},
        )


class RunNotFound(Problem):
    status = 404
    code = "run_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such run.")


class RunCancelled(Problem):
    status = 409
    code = "run_cancelled"

    def __init__(self, run_id: UUID, said: str) -> None:
        super().__init__("The turn was cancelled.", details={"run_id": str(run_id), "response": said})


class ActionRequired(Problem):
    status = 409
    code = "requires_action"

    def __init__(self, run_id: UUID, requests: Sequence[dict[str, Any]]) -> None:
        names = ", ".join(dict.fromkeys(str(request["name"]) for request in requests))
        super().__init__(
            f"The assistant waits for your decision about: {names}.",
            details={"run_id": str(run_id), "requests": requests},
        )


class NothingToDecide(Problem):
    status = 409
    code = "nothing_to_decide"

    def __init__(self) -> None:
        super().__init__("The run does not wait for a decision about this step.")


class NotTheUsers(Problem):
    status = 409
    code = "not_the_users"

    def __init__(self) -> None:
        super().__init__("Only what the user said can be edited; an answer can be made again.")


class GaveUp(Problem):
    status = 500
    code = "gave_up"

    def __init__(self, attempts: int) -> None:
        super().__init__(
            f"The server stopped {attempts} times while it answered, so it does not try again; send the "
            "message anew, or ask for less at once."
        )


class TooManyRounds(Problem):
    status = 502
    code = "too_many_rounds"


class TurnFailed(Problem):
    status = 500
    code = "internal_error"


class RunFailed(Problem):
    """The failure that was kept with a run."""

    def __init__(self, run_id: UUID, conversation_id: UUID, error: dict[str, Any]) -> None:
        ids = {"run_id": str(run_id), "conversation_id": str(conversation_id)}
        super().__init__(
            str(error.get("message", "")),
            details=(error.get("details") or {}) | ids,
            headers=error.get("headers"),
        )
        self.status = int(error.get("status", 500))
        self.code = str(error.get("code", "internal_error"))
