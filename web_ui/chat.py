"""The chat: what was said, what is being said, and the place to say something."""

from http import HTTPStatus
from itertools import takewhile
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from web_ui.actions import show_actions
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.choosing import chosen
from web_ui.fallbacks import fallbacks_of, keep_fallbacks
from web_ui.history import AVATARS, keep_times, messages_of, show_message
from web_ui.live import show_live
from web_ui.markdown import safe
from web_ui.place import conversation, enter, find_place
from web_ui.prompt import is_said, show_field, take_said
from web_ui.trouble import show_trouble
from web_ui.turn import Asked, State, Turn

__all__ = ["Chat"]

_SHOWN: Final = 60
_NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})


class Chat:
    """The conversation that the address names, or a new one. Everything raises NotSignedIn."""

    def __init__(self, api: Api, user_id: str) -> None:
        self._api: Final = api
        self._user_id: Final = user_id
        find_place()
        known: Turn | None = st.session_state.get("turn")
        if conversation() is None and known is not None and known.state.conversation_id is not None:
            # It was begun here, and another page was shown before the address had its name.
            enter(known.state.conversation_id)
        self._conversation: Final = conversation()
        self.messages: list[dict[str, Any]] = []
        """What was said so far; while a turn goes on, what was read before it."""
        self._more = False
        self._drawn = 0
        self._refusal: ApiError | None = None
        self._turn = self._turn_here()
        self.is_live = self._turn is not None and self._turn.state.outcome is None

    def take_prompt(self) -> None:
        """Begin a turn with what was said."""
        show_field(disabled=self.is_live)
        place, prompt = take_said()
        if not prompt or self.is_live or place != self._conversation:
            return
        here = {} if self._conversation is None else {"conversation_id": self._conversation}
        place, shown, _ = st.session_state.get("history", (None, [], False))
        is_on_branch = here and shown and place == self._conversation and "leaf" in st.session_state
        after = {"parent_id": shown[-1]["id"]} if is_on_branch else {}
        body = {"message": prompt, **here, **after, **chosen()}
        self._begin(Asked(f"/api/{quote(self._user_id, safe='')}/chat", body, self._conversation))
        self.is_live = True

    def read(self) -> None:
        """Ask for what was said, unless a turn goes on."""
        here = self._conversation
        if here is None:
            return
        place, self.messages, self._more = st.session_state.get("history", (None, [], False))
        if self.is_live and place == here:
            return
        count = st.session_state.get("shown", _SHOWN) if place == here else _SHOWN
        try:
            self.messages, self._more = self._messages(here, count)
        except NotSignedIn:
            raise
        except ApiError as error:
            self._refusal = error
            if place != here or error.status in _NOT_THERE:
                self.messages, self._more = [], False
        else:
            st.session_state.history = (here, self.messages, self._more)

    @property
    def is_there(self) -> bool:
        """Whether there is such a conversation, perhaps with nothing in it."""
        return self._conversation is not None and (bool(self.messages) or self._refusal is None)

    @property
    def is_branched(self) -> bool:
        """Whether there may be others in the place of what is shown."""
        return self._more or any(len(message["siblings"]) > 1 for message in self.messages)

    def _messages(self, here: str, count: int) -> tuple[list[dict[str, Any]], bool]:
        leaf: str | None = st.session_state.get("leaf")
        found: tuple[list[dict[str, Any]], bool] = [], False
        try:
            found = messages_of(self._api, here, count, leaf=leaf)
        except ApiError as error:
            if leaf is None or error.status != HTTPStatus.NOT_FOUND:
                raise
        # Ids are in the order of time.
        if leaf is None or any(message["id"] >= leaf for message in found[0]):
            return found
        # It has been deleted, with all that came after it.
        del st.session_state.leaf
        return messages_of(self._api, here, count)

    def show(self) -> None:
        """What was said, and what is being said, to its end.

        What has no place on the page any more is emptied, as Streamlit would leave it there until the end.
        """
        history, turn = self.messages, self._turn
        if self._refusal is not None:
            _say_why(self._refusal)
        with _slot(shown=self._more):
            if self._more:
                earlier = "Show earlier messages"
                st.button(earlier, key="earlier", disabled=self.is_live, on_click=_show_earlier)
        is_empty = not history and turn is None
        with _slot(shown=is_empty):
            if is_empty:
                self._welcome()
        before = st.container()
        is_new = turn is not None and turn.message is not None and not _has_turn(history, turn)
        # First what was said just now, as a long history takes a moment.
        with _slot(shown=is_new):
            if turn is not None and is_new:
                with st.chat_message("user", avatar=AVATARS["user"]):
                    st.markdown(safe(turn.message or ""))
        with before:
            self._show_history(history)
        live, below = _slot(shown=self.is_live), _slot(shown=not self.is_live)
        if turn is not None and self.is_live:
            with live:
                self._go_on(turn)
        else:
            with below:
                last = history[-1] if history else None
                show_trouble(self._api, turn, last, self._begin, self._follow)

    def _show_history(self, history: list[dict[str, Any]]) -> None:
        if not history:
            return
        shown = _still_there(history, self._turn) if self.is_live else history
        self._drawn = len(shown)
        notes = fallbacks_of(self._api, self._conversation)
        for message in shown:
            with st.container():
                show_message(self._api, message, notes.get(message["run_id"]), is_live=self.is_live)
                with _slot(shown=not self.is_live):
                    if not self.is_live:
                        show_actions(self._api, message, self._begin, is_last=message is history[-1])
        for _ in history[len(shown) :]:
            st.empty()

    def _begin(self, asked: Asked) -> None:
        turn: Turn | None = st.session_state.get("turn")
        if turn is None or turn.state.outcome is not None:
            # Otherwise it was clicked twice.
            st.session_state.pop("put_off", None)
            turn = st.session_state.turn = Turn(self._api, asked)
        self._turn = turn

    def _follow(self, lost: Turn) -> None:
        """Once more, with what was said in it."""
        if st.session_state.get("turn") is lost:
            self._turn = st.session_state.turn = self._same(lost)

    def _same(self, turn: Turn) -> Turn:
        return Turn(self._api, turn.asked, turn.state.run_id, turn.state.conversation_id)

    def _go_on(self, turn: Turn) -> None:
        """Follow the turn; the address names its conversation as soon as there is one."""

        def look(state: State) -> None:
            if state.conversation_id is not None:
                enter(state.conversation_id)
            if len(_still_there(self.messages, turn)) < self._drawn:
                st.rerun()

        state = show_live(turn, look)
        if state.code == "unauthorized":
            raise NotSignedIn
        st.rerun()

    def _turn_here(self) -> Turn | None:
        """The turn that this tab looks at, or one that goes on in the conversation."""
        here = self._conversation
        turn: Turn | None = st.session_state.get("turn")
        if turn is not None and here not in {None, turn.state.conversation_id}:
            turn = None
        outcome = None if turn is None else turn.state.outcome
        if turn is not None and outcome is None:
            return turn
        # One that was not taken is shown until another goes on, and after it; others are in the history once
        # they are over, at the end of the newest branch.
        if outcome == "refused":
            st.session_state.put_off = turn
        # What is said just now does not wait for this: the API knows.
        is_asked = here is not None and not is_said()
        lost = turn.state.run_id if turn is not None and outcome == "lost" else None
        run_id = self._unfinished(here, lost) if is_asked and here is not None else None
        if turn is not None and run_id is not None and run_id == turn.state.run_id:
            turn = turn if outcome == "lost" else self._same(turn)
        else:
            if turn is not None and outcome != "refused":
                keep_fallbacks(turn)
                keep_times(turn)
                st.session_state.pop("leaf", None)
            refused: Turn | None = st.session_state.get("put_off")
            turn = refused if run_id is None else Turn(self._api, run_id=run_id, conversation_id=here)
        st.session_state.turn = turn
        return turn

    def _unfinished(self, here: str, otherwise: str | None) -> str | None:
        """The id of the run that goes on, wherever it was begun: of several, that which the others wait for.

        Or `otherwise` where that is not to be known.
        """
        try:
            runs = self._api.get("/api/v1/runs", conversation_id=here, unfinished=True, limit=20)["runs"]
        except NotSignedIn:
            raise
        except ApiError:
            return otherwise
        return runs[-1]["id"] if runs else None

    def _welcome(self) -> None:
        """An empty page says what can be done, and what is missing for it."""
        st.title("What can I do for you?", anchor=False)
        try:
            models = self._api.get("/api/v1/models")["models"]
        except NotSignedIn:
            raise
        except ApiError as error:
            st.error(safe(str(error)))
            return
        if not models:
            st.info(
                "No model answers yet. Start Ollama (`ollama serve`) or LM Studio on this machine, or set "
                "`OPENAI_API_KEY` for the server. It is found by itself."
            )
            st.button("Look again", key="look", icon=":material/refresh:")


def _slot(*, shown: bool) -> Any:
    return st.container() if shown else st.empty()


def _show_earlier() -> None:
    st.session_state.shown = st.session_state.get("shown", _SHOWN) + _SHOWN


def _say_why(error: ApiError) -> None:
    if error.status in _NOT_THERE:
        st.info("There is no such conversation.")
    else:
        st.error(safe(str(error)))


def _still_there(history: list[dict[str, Any]], turn: Turn | None) -> list[dict[str, Any]]:
    """Without what the turn takes the place of."""
    gone = turn.asked.instead_of if turn is not None and turn.asked is not None else None
    # Who did not begin it knows only that nothing was said.
    is_another = turn is not None and turn.asked is None and turn.state.is_another
    if is_another and history and history[-1]["role"] == "assistant":
        gone = history[-1]["id"]
    return list(takewhile(lambda message: message["id"] != gone, history))


def _has_turn(history: list[dict[str, Any]], turn: Turn) -> bool:
    run_id = turn.state.run_id
    return run_id is not None and any(message["run_id"] == run_id for message in history)
