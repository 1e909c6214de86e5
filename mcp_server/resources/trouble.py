"""What can be wrong with a resource."""

from mcp_server.context import ToolError

__all__ = ["UnknownResource"]


class UnknownResource(ToolError):
    """No resource has that URI."""

    def __init__(self) -> None:
        super().__init__(
            "There is no such resource; resources/list and resources/templates/list say what there is."
        )
