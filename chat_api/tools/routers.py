"""What this room answers under /api/v1 alone."""

from typing import Final

from chat_api.tools.servers import routes as server_routes
from chat_api.tools.todos import routes as todo_routes

__all__ = ["ROUTERS"]

ROUTERS: Final = (server_routes.router, todo_routes.router)
