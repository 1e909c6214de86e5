"""What can be wrong with a todo."""

from kit.errors import Problem

__all__ = ["NotATime", "TodoKeyReused", "TodoNotFound", "TodosUnavailable"]


class TodoNotFound(Problem):
    status = 404
    code = "todo_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such todo.")


class NotATime(Problem):
    status = 422
    code = "not_a_time"


class TodoKeyReused(Problem):
    status = 409
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was sent with another request; use a new key for a new todo.")


class TodosUnavailable(Problem):
    status = 503
    code = "todos_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The todos cannot be reached right now; try again in a moment.", headers={"Retry-After": "1"}
        )
