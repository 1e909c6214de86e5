"""What a process has imported from which others are forked; only that one is to import this."""

import gc
import importlib

for _name in (
    "chat_api.cli",
    "chat_api.commands.serve",
    "chat_api.main",
    "mcp_server.cli",
    "mcp_server.serving",
    "tests.chaos.replica",
    "tests.forks",
    "tests.mcp_server.dying",
):
    importlib.import_module(_name)
# A collection would touch, and so copy, what is shared with them.
gc.freeze()
