"""What can be wrong with a conversation and its messages."""

from kit.errors import Problem

__all__ = ["MessageNotFound", "NotAnAnswer"]


class MessageNotFound(Problem):
    status = 404
    code = "message_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such message.")


class NotAnAnswer(Problem):
    status = 409
    code = "not_an_answer"

    def __init__(self) -> None:
        super().__init__("Only what the assistant has said can be rated.")
