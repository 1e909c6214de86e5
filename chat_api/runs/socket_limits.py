"""What one WebSocket is given."""

from dataclasses import dataclass

from chat_api.runs.service import HEARTBEAT_SECONDS

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds."""

    signing_in: float = 10.0
    silence: float = HEARTBEAT_SECONDS
    """After it the client hears a heartbeat."""
    patience: float = 30.0
    """How long the client may take nothing, or acknowledge nothing."""
    outstanding: int = 1000
    subscriptions: int = 20
    followed: int = 100
