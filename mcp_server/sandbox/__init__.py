"""Programs that nobody has read, run where they can do no harm.

A program runs in Monty, an interpreter that has no way to a file, a network or a process. It does so in a
process of its own, which has an empty environment and ends with it. All that it can reach is `Functions`.
"""

from mcp_server.sandbox.functions import CallFailed, Functions
from mcp_server.sandbox.limits import MOST_CODE
from mcp_server.sandbox.parsing import parse
from mcp_server.sandbox.program import Entry, Ran, run
from mcp_server.sandbox.trouble import ProgramFailed
from mcp_server.sandbox.values import Plain

__all__ = [
    "MOST_CODE",
    "CallFailed",
    "Entry",
    "Functions",
    "Plain",
    "ProgramFailed",
    "Ran",
    "parse",
    "run",
]
