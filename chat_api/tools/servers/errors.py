"""What can be wrong with another MCP server, and with what is said of it."""

from kit.errors import Problem

__all__ = [
    "McpServerChanged",
    "McpServerFailed",
    "McpServerInvalid",
    "McpServerNameTaken",
    "McpServerNotFound",
    "McpServerSecretNeeded",
    "TooManyMcpServers",
]


class McpServerNotFound(Problem):
    status = 404
    code = "mcp_server_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such MCP server.")


class McpServerNameTaken(Problem):
    status = 409
    code = "mcp_server_name_taken"

    def __init__(self) -> None:
        super().__init__("There is an MCP server of this name already; take another name.")


class TooManyMcpServers(Problem):
    status = 409
    code = "too_many_mcp_servers"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} MCP servers, which is the most; delete one first.")


class McpServerChanged(Problem):
    status = 412
    code = "mcp_server_changed"

    def __init__(self, version: int) -> None:
        super().__init__(
            "The MCP server was changed meanwhile; read it again and make your change anew.",
            details={"version": version},
        )


class McpServerInvalid(Problem):
    status = 422
    code = "mcp_server_invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, details=[{"field": field, "message": message}])


class McpServerSecretNeeded(Problem):
    status = 422
    code = "mcp_server_secret_needed"

    def __init__(self) -> None:
        super().__init__("A secret is for one address; send it again with the new one, or null to drop it.")


class McpServerFailed(Problem):
    status = 502
    code = "mcp_server_failed"

    def __init__(self, trouble: str, message: str) -> None:
        super().__init__(message, details={"trouble": trouble})
