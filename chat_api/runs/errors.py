"""What can keep a turn from being answered."""

from kit.errors import Problem


class ConversationBusy(Problem):
    status = 409
    code = "conversation_busy"

    def __init__(self) -> None:
        super().__init__(
            "Another turn of this conversation is running; try again when it has ended.",
            headers={"Retry-After": "2"},
        )


class Interrupted(Problem):
    status = 503
    code = "interrupted"

    def __init__(self) -> None:
        super().__init__(
            "The server stopped before the answer was there; send the message again.",
            headers={"Retry-After": "2"},
        )


class TooManyRounds(Problem):
    status = 502
    code = "too_many_rounds"


class TurnFailed(Problem):
    status = 500
    code = "internal_error"
