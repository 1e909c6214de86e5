"""What this room answers."""

from typing import Final

from chat_api.conversations import message_routes, routes, search_routes, transfer_routes

__all__ = ["ROUTERS"]

ROUTERS: Final = (
    # Those with words in the place of an id first.
    search_routes.router,
    transfer_routes.router,
    message_routes.router,
    routes.router,
)
