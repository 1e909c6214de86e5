"""Who may come in: tokens and API keys of people who are not disabled."""

from kit.access.access import CHANNEL, Access, AccountDisabled, tell
from kit.access.api_keys import NewKey, new_key
from kit.access.door import Door, open_access, open_door
from kit.access.following import following
from kit.access.visits import Leashed, Visits, stay

__all__ = [
    "CHANNEL",
    "Access",
    "AccountDisabled",
    "Door",
    "Leashed",
    "NewKey",
    "Visits",
    "following",
    "new_key",
    "open_access",
    "open_door",
    "stay",
    "tell",
]
