"""The page of agents: all of them, one, or the form of a new one."""

from web_ui.agents.listing import show_agents_list
from web_ui.agents.one import show_new, show_one
from web_ui.agents.place import NEW, opened
from web_ui.api import Api
from web_ui.logins import Login
from web_ui.place import forget

__all__ = ["show_agents_page"]


def show_agents_page(api: Api, login: Login) -> None:
    """Raises NotSignedIn."""
    # They may be changed here.
    forget("agents")
    here = opened()
    if here is None:
        show_agents_list(api)
    elif here == NEW:
        show_new(api)
    else:
        show_one(api, login, here)
