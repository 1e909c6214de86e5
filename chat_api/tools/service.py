"""The tools that there are for somebody."""

from collections.abc import Container
from typing import Final

from agents import FunctionTool

from chat_api.auth.service import Deputy
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.schemas import ToolOut

__all__ = ["tools_of"]

_BUILT_IN: Final = "built_in"
_CUSTOM: Final = "custom"


async def tools_of(deputy: Deputy, bridge: ToolBridge, custom: Container[str]) -> list[ToolOut]:
    """What an agent of the person can use; `custom` are the names of custom tools.

    Raises ToolServerUnreachable.
    """
    box = await bridge.equip(deputy)
    return [
        ToolOut(
            name=tool.name,
            description=tool.description,
            parameters=tool.params_json_schema,
            source=box.sources.get(tool.name) or (_CUSTOM if tool.name in custom else _BUILT_IN),
            read_only=tool.name in box.read_only,
        )
        for tool in box.tools
        if isinstance(tool, FunctionTool)
    ]
