"""`turnlog chat`: the assistant in the terminal."""

import json
import sys
from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import quote

import httpx2
from rich.markdown import Markdown
from rich.text import Text

from chat_api.commands.console import command, out, words
from chat_api.commands.credentials import mint_token
from chat_api.settings import Settings
from kit.errors import SetupError
from kit.settings import load

__all__ = ["chat"]

_ANSWER_TIMEOUT: Final = httpx2.Timeout(600, connect=5)
_TOKEN_LIFETIME: Final = timedelta(hours=12)
_LONGEST_SHOWN: Final = 160


def chat(
    message: str | None,
    *,
    url: str | None,
    user: str | None,
    token: str | None,
    conversation: str | None,
) -> None:
    settings = load(Settings)
    base_url = url or settings.public_address(settings.api_host, settings.api_port)
    _check_there(base_url)
    subject = user or settings.turnlog_user
    bearer = token or mint_token(settings, subject, settings.jwt_audience, _TOKEN_LIFETIME)
    if token is not None and user is None:
        subject = _subject(token)
    headers = {"Authorization": f"Bearer {bearer}"}
    with httpx2.Client(base_url=base_url, headers=headers, timeout=_ANSWER_TIMEOUT, trust_env=False) as http:
        talk = _Talk(http, subject, conversation)
        if message is not None:
            sys.exit(0 if talk.turn(message) else 1)
        talk.forever()


def _check_there(base_url: str) -> None:
    try:
        httpx2.get(f"{base_url}/api/v1/health/live", timeout=5, trust_env=False).raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SetupError(f"Nothing answers at {base_url}; start it with: {command()} up") from error


def _subject(token: str) -> str:
    """Whom a given token is for: the path needs it; the server is who checks it."""
    # PyJWT is not needed by the rest of this command.
    import jwt  # noqa: PLC0415

    try:
        return str(jwt.decode(token, options={"verify_signature": False})["sub"])
    except (jwt.PyJWTError, KeyError) as error:
        raise SetupError("That token is not a JWT with a sub; give --user as well.") from error


class _Talk:
    def __init__(self, http: httpx2.Client, user: str, conversation: str | None) -> None:
        self._http = http
        self._user = user
        self._conversation = conversation

    def forever(self) -> None:
        """Read lines until the input ends."""
        words.print("Say something; Ctrl-D ends.")
        while True:
            try:
                message = words.input("> ").strip()
            except (EOFError, KeyboardInterrupt):
                words.print()
                return
            if message:
                self.turn(message)

    def turn(self, message: str) -> bool:
        """Take one turn and show it. Returns whether there was an answer."""
        body = {"message": message} | ({"conversation_id": self._conversation} if self._conversation else {})
        try:
            with words.status("Thinking"):
                response = self._http.post(f"/api/{quote(self._user, safe='')}/chat", json=body)
            answer = cast("dict[str, Any]", response.json())
        except (httpx2.HTTPError, ValueError) as error:
            words.print(f"The answer did not arrive ({type(error).__name__}).", markup=False)
            return False
        if not answer.get("success"):
            words.print(str(answer.get("message")), style="red", markup=False)
            return False
        self._show(answer["data"])
        return True

    def _show(self, data: dict[str, Any]) -> None:
        self._conversation = data["conversation_id"]
        for call in data["tool_calls"]:
            out.print(_call_line(call))
        out.print(Markdown(data["response"]) if out.is_terminal else Text(data["response"]))


def _call_line(call: dict[str, Any]) -> Text:
    """A tool call on one line: name, arguments, and what came back."""
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in call["args"].items())
    line = Text(f"  {call['tool']}({arguments})", style="cyan")
    error = call.get("error")
    if error:
        return line.append(f"  failed: {_cut(str(error))}", style="red")
    return line.append(f"  {_short(call.get('result'))}", style="dim")


def _short(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
