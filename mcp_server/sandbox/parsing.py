"""Reading a program without running it."""

from typing import Final
from uuid import UUID

from anyio import to_thread
from pydantic_monty import CollectString, MontyError, MontyRuntimeError

from mcp_server.sandbox.slots import THREADS, slot
from mcp_server.sandbox.trouble import ProgramFailed, explained
from mcp_server.sandbox.worker import Worker

__all__ = ["parse"]

# The interpreter reads all of a program before it runs the first line, which is this one and the last to run.
_END: Final = "raise StopIteration"
_ZONE: Final = "UTC"


async def parse(code: str, person: UUID) -> None:
    """Raises ProgramFailed where the interpreter cannot run `code`. No line of it is run."""
    async with slot(person):
        failure = await to_thread.run_sync(_trouble, code, limiter=THREADS)
    if failure is not None:
        raise failure


def _trouble(code: str) -> ProgramFailed | None:
    program = f"{_END}\n{code}"
    try:
        with Worker().session(_ZONE) as session:
            session.feed_run(program, print_callback=CollectString())
    except MontyError as error:
        return None if _is_end(error) else explained(error, program, "", before=1)
    return None


def _is_end(error: MontyError) -> bool:
    """Whether it was read to its end, and then stopped in our line."""
    if not isinstance(error, MontyRuntimeError):
        return False
    frames = error.traceback()
    return bool(frames) and frames[-1].line == 1
