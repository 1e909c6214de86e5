"""What can be wrong with a custom tool."""

from kit.errors import Problem

__all__ = [
    "CustomToolChanged",
    "CustomToolNotFound",
    "CustomToolsOff",
    "NameTaken",
    "TooManyCustomTools",
    "Unfit",
]


class CustomToolsOff(Problem):
    status = 403
    code = "custom_tools_off"

    def __init__(self) -> None:
        super().__init__("Custom tools are off on this server: whoever runs it can set CUSTOM_TOOLS.")


class CustomToolNotFound(Problem):
    status = 404
    code = "custom_tool_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such custom tool, or no such version of it.")


class NameTaken(Problem):
    status = 409
    code = "tool_name_taken"

    def __init__(self, by: str | None = None) -> None:
        which = "another tool" if by is None else f"`{by}`, which is there"
        super().__init__(f"The name is that of {which}, or looks too much like it: choose another one.")


class CustomToolChanged(Problem):
    status = 412
    code = "custom_tool_changed"

    def __init__(self) -> None:
        super().__init__("The tool was changed meanwhile; read it again and make your change anew.")


class TooManyCustomTools(Problem):
    status = 409
    code = "too_many_custom_tools"

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} custom tools, which is all that there may be: remove one first.")


class Unfit(Problem):
    """`field` is the part of a custom tool that cannot be used, `message` what is wrong with it."""

    status = 422
    code = "unfit_custom_tool"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(
            f"The {field} cannot be used: {message}", details=[{"field": field, "message": message}]
        )
