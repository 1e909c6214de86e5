"""`turnlog`: the command line."""

import gc
import sys
from typing import Annotated, Literal

import typer

from kit.errors import SetupError

__all__ = ["main"]

app = typer.Typer(
    help="A self-hosted agent backend where a turn is a log.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
model_app = typer.Typer(help="The built-in small model.", no_args_is_help=True)
app.add_typer(model_app, name="model")
keys_app = typer.Typer(help="The keys of the built-in issuer.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

# Each command imports what it needs: the Agents SDK alone takes a second, which `token` need not pay.


@app.command()
def up(
    *,
    no_local_model: Annotated[
        bool,
        typer.Option("--no-local-model", help="Start without a model rather than fetch the built-in one."),
    ] = False,
    no_web: Annotated[bool, typer.Option("--no-web", help="Start without the web page.")] = False,
) -> None:
    """Run everything in this terminal: database, API, web page and, where no other answers, a model."""
    from chat_api.commands.up import up as run  # noqa: PLC0415

    run(local_model=not no_local_model, page=not no_web)


@app.command()
def serve() -> None:
    """Run the API alone, with the MCP endpoint; as many replicas as you like on one DATABASE_URL."""
    from chat_api.commands.serve import serve as run  # noqa: PLC0415

    run()


@app.command()
def web(
    *,
    api: Annotated[str | None, typer.Option(help="Address of the API; left out: this machine's.")] = None,
) -> None:
    """Serve the web page of an API that runs; `up` does so too."""
    from chat_api.commands.web import web as run  # noqa: PLC0415

    run(api)


@app.command()
def chat(
    message: Annotated[str | None, typer.Argument(help="What to say; left out: a conversation.")] = None,
    *,
    url: Annotated[str | None, typer.Option(help="Address of the server; left out: this machine's.")] = None,
    user: Annotated[str | None, typer.Option(help="Who is talking; left out: TURNLOG_USER.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="TURNLOG_TOKEN", help="A token, for a server elsewhere.")
    ] = None,
    conversation: Annotated[str | None, typer.Option(help="Id of the conversation to go on with.")] = None,
    agent: Annotated[
        str | None, typer.Option(help="Id of the agent that answers; left out: the default.")
    ] = None,
) -> None:
    """Talk to the assistant in the terminal; its tool calls are shown."""
    from chat_api.commands.chat import chat as run  # noqa: PLC0415

    run(message, url=url, user=user, token=token, conversation=conversation, agent=agent)


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Whom the token is for: its `sub`.")],
    door: Annotated[
        Literal["api", "mcp"], typer.Option("--for", help="The chat API, or the MCP endpoint.")
    ] = "api",
    minutes: Annotated[int, typer.Option(min=1, max=60 * 24 * 30, help="How long it is good for.")] = 60,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="With --for api: the token of an admin.")] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="With --for mcp: good for tools that change nothing.")
    ] = False,
) -> None:
    """Print a token of the built-in issuer, for trying things out."""
    from chat_api.commands.token import token as run  # noqa: PLC0415

    run(user, door, minutes, admin=admin, read_only=read_only)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema; `up` and `serve` do so too when they start."""
    from chat_api.commands.migrate import migrate as run  # noqa: PLC0415

    run()


@app.command()
def create_admin(
    email: Annotated[str, typer.Option(help="E-mail address to log in with.")],
    name: Annotated[str | None, typer.Option(help="What to call them.")] = None,
) -> None:
    """Make an admin's account, or an admin of who has one; the password is asked for, or from a pipe."""
    from chat_api.commands.create_admin import create_admin as run  # noqa: PLC0415

    run(email, name)


@keys_app.command()
def rotate(
    minutes: Annotated[
        int, typer.Option(min=1, max=60 * 24 * 7, help="How long it is published before it signs.")
    ] = 10,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="At once, and accept nothing that the others have signed.")
    ] = False,
) -> None:
    """Add a key that signs tokens; servers that run take it up by themselves."""
    from chat_api.commands.keys import rotate as run  # noqa: PLC0415

    run(minutes=minutes, now=now)


@model_app.command()
def fetch() -> None:
    """Download the built-in model (1.1 GB), or go on with a download that was cut."""
    from chat_api.commands.model import fetch_with_progress  # noqa: PLC0415

    fetch_with_progress()


def main() -> None:
    try:
        app(prog_name="turnlog")
    except SetupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The interpreter would look at every object once more before it ends: half a second for nothing.
        gc.freeze()
