"""What can be wrong with the tool server."""

from kit.errors import Problem


class ToolServerUnreachable(Problem):
    status = 502
    code = "tool_server_unreachable"

    def __init__(self) -> None:
        super().__init__("The tool server cannot be reached; try again in a moment.")
