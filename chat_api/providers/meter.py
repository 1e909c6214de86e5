"""What a call of a model has taken so far, for who has to know it though the call comes to no end."""

from dataclasses import dataclass

from chat_api.providers.answers import Answer, Completion

__all__ = ["Meter"]


@dataclass(slots=True)
class Meter:
    """`sent` are the bytes of the request; `heard`: its server has begun to answer."""

    sent: int = 0
    heard: bool = False
    answer: Answer | None = None

    def begin(self, sent: int, answer: Answer) -> None:
        """The request goes out, perhaps once more."""
        self.sent, self.heard, self.answer = sent, False, answer

    def taken(self) -> Completion | None:
        """Its tokens; None where nothing was sent."""
        return None if self.answer is None else self.answer.taken(self.sent)
