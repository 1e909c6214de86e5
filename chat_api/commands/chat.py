"""`turnlog chat`: the assistant in the terminal."""

import json
import sys
from datetime import timedelta
from typing import Any, Final, Self

import httpx2
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from chat_api.commands.approving import ask
from chat_api.commands.console import command, out, words
from chat_api.commands.credentials import mint_token
from chat_api.commands.turn_frames import Refused, TurnFrames
from chat_api.settings import Settings
from kit.errors import SetupError
from kit.settings import load

__all__ = ["chat"]

_SILENCE: Final = httpx2.Timeout(60, connect=5)
_TOKEN_LIFETIME: Final = timedelta(hours=12)
_LONGEST_SHOWN: Final = 160


def chat(
    message: str | None,
    *,
    url: str | None,
    user: str | None,
    token: str | None,
    conversation: str | None,
    agent: str | None,
) -> None:
    settings = load(Settings)
    base_url = url or settings.public_address(settings.api_host, settings.api_port)
    _check_there(base_url)
    subject = user or settings.turnlog_user
    bearer = token or mint_token(settings, subject, settings.jwt_audience, _TOKEN_LIFETIME)
    if token is not None and user is None:
        subject = _subject(token)
    headers = {"Authorization": f"Bearer {bearer}"}
    with httpx2.Client(base_url=base_url, headers=headers, timeout=_SILENCE, trust_env=False) as http:
        talk = _Talk(http, subject, conversation=conversation, agent=agent)
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
    def __init__(
        self, http: httpx2.Client, user: str, *, conversation: str | None, agent: str | None
    ) -> None:
        self._http = http
        self._user = user
        self._conversation = conversation
        self._agent = agent

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
        """Take one turn and show it as it comes; Ctrl-C stops it. Returns whether there was an answer."""
        body = {"message": message} | ({"conversation_id": self._conversation} if self._conversation else {})
        body |= {"agent_id": self._agent} if self._agent else {}
        frames, shown = TurnFrames(self._http, self._user, body), _Shown()
        try:
            with shown:
                for frame in frames:
                    shown.take(frame)
                    if frame["type"] == "approval" and not self._decided(frames, frame):
                        return False
        except KeyboardInterrupt:
            frames.cancel()
            words.print("Stopped.")
            return False
        except Refused as refusal:
            words.print(str(refusal), style="red", markup=False)
            return False
        except (httpx2.HTTPError, ValueError) as error:
            words.print(f"The answer did not arrive ({type(error).__name__}).", markup=False)
            return False
        finally:
            self._conversation = shown.conversation or self._conversation
        return shown.answered

    def _decided(self, frames: TurnFrames, frame: dict[str, Any]) -> bool:
        decision = ask(frame)
        if decision is None:
            words.print("The turn waits for that decision; it can be cancelled.")
            return False
        frames.decide(decision)
        return True


class _Shown:
    """A turn on the screen: its tool calls line by line, and its text as it comes.

    Where stdout is no terminal, the text comes at the end, in one piece.
    """

    def __init__(self) -> None:
        self.conversation: str | None = None
        self.answered = False
        self._text = ""
        self._calls: dict[str, dict[str, Any]] = {}
        self._waiting = words.status("Thinking")
        self._live = Live(console=out, vertical_overflow="visible", transient=True)

    def __enter__(self) -> Self:
        self._waiting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.stop()
        self._live.stop()
        if self._text:
            out.print(Markdown(self._text) if out.is_terminal else Text(self._text))

    def take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "start":
                self.conversation = frame["conversation_id"]
            case "token":
                self._say(self._text + frame["content"])
            case "attempt":
                self._say(frame["content"])
            case "tool_call":
                self._calls[frame["step_id"]] = frame
            case "tool_result":
                out.print(_call_line(self._calls.get(frame["step_id"], {}) | frame))
            case "fallback":
                words.print(_fallback_line(frame), style="yellow", markup=False)
            case "approval":
                self._waiting.stop()
                self._live.stop()
            case "error":
                words.print(frame["message"], style="red", markup=False)
            case "done":
                self.answered = frame["status"] == "completed"
            case _:
                pass

    def _say(self, text: str) -> None:
        self._text = text
        if out.is_terminal:
            self._waiting.stop()
            self._live.start()
            self._live.update(Markdown(text))


def _fallback_line(frame: dict[str, Any]) -> str:
    """Who is asked for whom, and why, on one line."""
    names = [" ".join(filter(None, (frame[end]["provider"], frame[end]["model"]))) for end in ("from", "to")]
    return f"Instead of {names[0]}, {names[1]} is asked. {frame['reason']}"


def _call_line(call: dict[str, Any]) -> Text:
    """A tool call on one line: name, arguments, and what came back."""
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in call.get("args", {}).items())
    line = Text(f"  {call['tool']}({arguments})", style="cyan")
    error = call.get("error")
    if error:
        return line.append(f"  failed: {_cut(str(error))}", style="red")
    return line.append(f"  {_short(call.get('result'))}", style="dim")


def _short(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
